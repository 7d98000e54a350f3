"""One walk under the joint names and trees of many programs, matched to HumanML3D's joints."""

from dataclasses import replace

import numpy as np
import pytest
from bvh_figures import Figure, build_figure, read_joints, walk
from scipy.spatial.transform import Rotation

from atom.errors import AtomError
from atom.motion.skeleton import JOINT_INDEX, JOINT_NAMES
from atom.motion_formats.matching.joint_matching import joint_weights
from atom.motion_formats.source_motion import Skeleton

LEFT_RIGHT, L_R, LOWER = ("Left", "Right"), ("L", "R"), ("l", "r")

# The trees of the programs as their files have them; helper joints are kept where they are traps.
SKELETONS = {
    "Mixamo": (
        LEFT_RIGHT,
        "mixamorig:Hips=pelvis mixamorig:Spine=spine1 mixamorig:Spine1=spine2 mixamorig:Spine2=spine3 "
        "mixamorig:Neck=neck mixamorig:Head=head mixamorig:HeadTop_End+ END+",
        "mixamorig:Spine2 mixamorig:{s}Shoulder={o}_collar mixamorig:{s}Arm={o}_shoulder "
        "mixamorig:{s}ForeArm={o}_elbow mixamorig:{s}Hand={o}_wrist mixamorig:{s}HandThumb1+ END+",
        "mixamorig:Hips mixamorig:{s}UpLeg={o}_hip mixamorig:{s}Leg={o}_knee mixamorig:{s}Foot={o}_ankle "
        "mixamorig:{s}ToeBase={o}_foot mixamorig:{s}Toe_End+ END+",
    ),
    "ForeFoot": (
        LEFT_RIGHT,
        "Hips=pelvis Spine=spine1 Spine1=spine2 Spine2=spine3 Neck=neck Neck1/ Head=head END+",
        "Spine2 {s}Shoulder={o}_collar {s}Arm={o}_shoulder {s}ForeArm={o}_elbow {s}Hand={o}_wrist {s}HandIndex1+ END+",
        "Hips {s}UpLeg={o}_hip {s}Leg={o}_knee {s}Foot={o}_ankle {s}ForeFoot={o}_foot END+",
    ),
    "MocapNET": (
        LOWER,
        "hip=pelvis abdomen=spine1 chest=spine3 neck=neck head=head lefteye+ END+",
        "head righteye+ END+",
        "chest {s}collar={o}_collar {s}shoulder={o}_shoulder {s}elbow={o}_elbow {s}hand={o}_wrist {s}thumb1+ END+",
        "{s}hand {s}index1+ END+",
        "hip {s}buttock/ {s}hip={o}_hip {s}knee={o}_knee {s}foot={o}_ankle {s}toe1-1={o}_foot END+",
    ),
    "MocapNET without collars": (
        LOWER,
        "hip=pelvis abdomen=spine1 chest=spine3 neck=neck head=head END+",
        "chest {s}shoulder={o}_shoulder {s}elbow={o}_elbow {s}hand={o}_wrist END+",
        "hip {s}hip={o}_hip {s}knee={o}_knee {s}ankle={o}_ankle {s}foot={o}_foot END+",
    ),
    "Biovision's example": (
        LEFT_RIGHT,
        "Hips=pelvis Chest=spine3 Neck=neck Head=head END+",
        "Chest {s}Collar={o}_collar {s}UpArm={o}_shoulder {s}LowArm={o}_elbow {s}Hand={o}_wrist END+",
        "Hips {s}UpLeg={o}_hip {s}LowLeg={o}_knee {s}Foot={o}_ankle END={o}_foot",
    ),
    "Unreal": (
        LOWER,
        "root! pelvis=pelvis spine_01=spine1 spine_02/ spine_03=spine2 spine_04/ spine_05=spine3 neck_01=neck neck_02/ "
        "head=head END+",
        "spine_05 clavicle_{s}={o}_collar upperarm_{s}={o}_shoulder lowerarm_{s}={o}_elbow hand_{s}={o}_wrist "
        "index_metacarpal_{s}+ index_01_{s}+ END+",
        "hand_{s} thumb_01_{s}+ END+",
        "upperarm_{s} upperarm_twist_01_{s}+ END+",
        "lowerarm_{s} lowerarm_twist_01_{s}+ END+",
        "pelvis thigh_{s}={o}_hip calf_{s}={o}_knee foot_{s}={o}_ankle ball_{s}={o}_foot END+",
        "thigh_{s} thigh_twist_01_{s}+ END+",
        "calf_{s} calf_twist_01_{s}+ END+",
        "root ik_foot_root! ik_foot_{s}! END+",
        "root ik_hand_root! ik_hand_gun! ik_hand_{s}! END+",
    ),
    "3ds Max Biped": (
        L_R,
        "Bip01! Bip01__Pelvis=pelvis Bip01__Spine=spine1 Bip01__Spine1=spine2 Bip01__Spine2=spine3 Bip01__Neck=neck "
        "Bip01__Head=head Bip01__HeadNub+ END+",
        "Bip01__Neck Bip01__{s}__Clavicle={o}_collar Bip01__{s}__UpperArm={o}_shoulder Bip01__{s}__Forearm={o}_elbow "
        "Bip01__{s}__Hand={o}_wrist Bip01__{s}__Finger0+ Bip01__{s}__Finger0Nub+ END+",
        "Bip01__Spine Bip01__{s}__Thigh={o}_hip Bip01__{s}__Calf={o}_knee Bip01__{s}__Foot={o}_ankle "
        "Bip01__{s}__Toe0={o}_foot Bip01__{s}__Toe0Nub+ END+",
        "Bip01 Bip01__Footsteps! END+",
        "Bip01__Head Bip01__Ponytail1+ END+",
    ),
    "Rigify": (
        L_R,
        "root! DEF-spine=pelvis DEF-spine.001=spine1 DEF-spine.002=spine2 DEF-spine.003=spine3 DEF-neck=neck "
        "DEF-spine.005/ DEF-head=head END+",
        "DEF-spine.003 DEF-shoulder.{s}={o}_collar DEF-upper_arm.{s}={o}_shoulder DEF-upper_arm.{s}.001/ "
        "DEF-forearm.{s}={o}_elbow DEF-forearm.{s}.001/ DEF-hand.{s}={o}_wrist DEF-f_index.01.{s}+ END+",
        "DEF-spine.003 DEF-breast.{s}+ END+",
        "DEF-spine DEF-pelvis.{s}+ END+",
        "DEF-spine DEF-thigh.{s}={o}_hip DEF-thigh.{s}.001/ DEF-shin.{s}={o}_knee DEF-shin.{s}.001/ "
        "DEF-foot.{s}={o}_ankle DEF-toe.{s}={o}_foot END+",
    ),
    "Rigify metarig": (
        L_R,
        "spine=pelvis spine.001=spine1 spine.002=spine2 spine.003=spine3 spine.004=neck spine.005/ spine.006=head END+",
        "spine.003 shoulder.{s}={o}_collar upper_arm.{s}={o}_shoulder forearm.{s}={o}_elbow hand.{s}={o}_wrist "
        "palm.01.{s}+ f_index.01.{s}+ END+",
        "spine pelvis.{s}+ END+",
        "spine thigh.{s}={o}_hip shin.{s}={o}_knee foot.{s}={o}_ankle toe.{s}={o}_foot END+",
        "foot.{s} heel.02.{s}+ END+",
    ),
    "Auto-Rig Pro": (
        LOWER,
        "root.x=pelvis spine_01.x=spine1 spine_02.x=spine2 spine_03.x=spine3 neck.x=neck head.x=head jawbone.x+ END+",
        "spine_03.x shoulder.{s}={o}_collar arm_stretch.{s}={o}_shoulder forearm_stretch.{s}={o}_elbow "
        "hand.{s}={o}_wrist c_index1.{s}+ END+",
        "arm_stretch.{s} arm_twist.{s}+ END+",
        "root.x thigh_stretch.{s}={o}_hip leg_stretch.{s}={o}_knee foot.{s}={o}_ankle toes_01.{s}={o}_foot END+",
        "thigh_stretch.{s} thigh_twist.{s}+ END+",
        "leg_stretch.{s} leg_twist.{s}+ END+",
    ),
    "mocopi": (
        LOWER,
        "root=pelvis torso_1/ torso_2=spine1 torso_3/ torso_4=spine2 torso_5/ torso_6=spine3 torso_7/ neck_1=neck "
        "neck_2/ head=head END@",
        "torso_7 {s}_shoulder={o}_collar {s}_up_arm={o}_shoulder {s}_low_arm={o}_elbow {s}_hand={o}_wrist END@",
        "root {s}_up_leg={o}_hip {s}_low_leg={o}_knee {s}_foot={o}_ankle {s}_toes={o}_foot END@",
    ),
    "Rokoko Newton": (
        LEFT_RIGHT,
        "Hips=pelvis Spine1=spine1 Spine2=spine2 Spine3/ Spine4=spine3 Neck=neck Head=head END+",
        "Spine4 {s}Shoulder={o}_collar {s}Arm={o}_shoulder {s}ForeArm={o}_elbow {s}Hand={o}_wrist "
        "{s}Finger5Metacarpal+ {s}Finger5Proximal+ END+",
        "Hips {s}Thigh={o}_hip {s}Shin={o}_knee {s}Foot={o}_ankle {s}Toe={o}_foot {s}ToeTip+ END+",
    ),
    "OptiTrack": (
        L_R,
        "Ted_Hip=pelvis Ted_Ab=spine1 Ted_Chest=spine3 Ted_Neck=neck Ted_Head=head END+",
        "Ted_Chest Ted_{s}Shoulder={o}_collar Ted_{s}UArm={o}_shoulder Ted_{s}FArm={o}_elbow Ted_{s}Hand={o}_wrist "
        "Ted_{s}Thumb1+ END+",
        "Ted_Hip Ted_{s}Thigh={o}_hip Ted_{s}Shin={o}_knee Ted_{s}Foot={o}_ankle Ted_{s}Toe={o}_foot END+",
    ),
    "DeepMotion": (
        LOWER,
        "hips_JNT=pelvis spine_JNT=spine1 spine1_JNT=spine2 spine2_JNT=spine3 neck_JNT=neck head_JNT=head END+",
        "spine2_JNT {s}_shoulder_JNT={o}_collar {s}_arm_JNT={o}_shoulder {s}_forearm_JNT={o}_elbow "
        "{s}_hand_JNT={o}_wrist {s}_handIndex1_JNT+ END+",
        "hips_JNT {s}_upleg_JNT={o}_hip {s}_leg_JNT={o}_knee {s}_foot_JNT={o}_ankle {s}_toebase_JNT={o}_foot END+",
    ),
    "VRoid": (
        L_R,
        "Root! J_Bip_C_Hips=pelvis J_Bip_C_Spine=spine1 J_Bip_C_Chest=spine2 J_Bip_C_UpperChest=spine3 "
        "J_Bip_C_Neck=neck J_Bip_C_Head=head J_Sec_Hair1_01+ END+",
        "J_Bip_C_Head J_Adj_{s}_FaceEye+ END+",
        "J_Bip_C_UpperChest J_Sec_{s}_Bust1+ END+",
        "J_Bip_C_UpperChest J_Bip_{s}_Shoulder={o}_collar J_Bip_{s}_UpperArm={o}_shoulder J_Bip_{s}_LowerArm={o}_elbow "
        "J_Bip_{s}_Hand={o}_wrist J_Bip_{s}_Little1+ END+",
        "J_Bip_C_Hips J_Bip_{s}_UpperLeg={o}_hip J_Bip_{s}_LowerLeg={o}_knee J_Bip_{s}_Foot={o}_ankle "
        "J_Bip_{s}_ToeBase={o}_foot END+",
        "J_Bip_{s}_UpperLeg J_Sec_{s}_SkirtFront+ END+",
    ),
    "Unity and VRM": (
        ("left", "right"),
        "hips=pelvis spine=spine1 chest=spine2 upperChest=spine3 neck=neck head=head jaw+ END+",
        "upperChest {s}Shoulder={o}_collar {s}UpperArm={o}_shoulder {s}LowerArm={o}_elbow {s}Hand={o}_wrist "
        "{s}ThumbProximal+ END+",
        "hips {s}UpperLeg={o}_hip {s}LowerLeg={o}_knee {s}Foot={o}_ankle {s}Toes={o}_foot END+",
    ),
    "Reallusion": (
        L_R,
        "CC_Base_BoneRoot! CC_Base_Hip=pelvis CC_Base_Waist=spine1 CC_Base_Spine01=spine2 CC_Base_Spine02=spine3 "
        "CC_Base_NeckTwist01=neck CC_Base_NeckTwist02/ CC_Base_Head=head CC_Base_FacialBone+ CC_Base_JawRoot+ END+",
        "CC_Base_Spine02 CC_Base_{s}_Clavicle={o}_collar CC_Base_{s}_Upperarm={o}_shoulder "
        "CC_Base_{s}_Forearm={o}_elbow CC_Base_{s}_Hand={o}_wrist CC_Base_{s}_Mid1+ END+",
        "CC_Base_{s}_Upperarm CC_Base_{s}_UpperarmTwist01+ CC_Base_{s}_UpperarmTwist02+ END+",
        "CC_Base_{s}_Forearm CC_Base_{s}_ElbowShareBone+ END+",
        "CC_Base_{s}_Forearm CC_Base_{s}_ForearmTwist01+ END+",
        "CC_Base_Hip CC_Base_Pelvis@ CC_Base_{s}_Thigh={o}_hip CC_Base_{s}_ThighTwist01@ END+",
        "CC_Base_{s}_Thigh CC_Base_{s}_Calf={o}_knee CC_Base_{s}_Foot={o}_ankle CC_Base_{s}_ToeBaseShareBone+ END+",
        "CC_Base_{s}_Calf CC_Base_{s}_KneeShareBone@ END+",
        "CC_Base_{s}_Foot CC_Base_{s}_ToeBase={o}_foot CC_Base_{s}_BigToe1+ END+",
    ),
    "BEAT": (
        L_R,
        "Hips=pelvis Spine=spine1 Spine1=spine2 Spine2/ Spine3=spine3 Neck=neck Neck1/ Head=head HeadEnd+ END+",
        "Spine3 {s}Shoulder={o}_collar {s}Arm={o}_shoulder {s}Arm1={o}_elbow {s}Hand={o}_wrist {s}HandM1+ END+",
        "{s}Hand {s}HandT1+ END+",
        "Hips {s}UpLeg={o}_hip {s}Leg={o}_knee {s}Foot={o}_ankle {s}ToeBase={o}_foot {s}ToeBaseEnd+ END+",
    ),
    "MakeHuman": (
        L_R,
        "root=pelvis spine05=spine1 spine04/ spine03=spine2 spine02/ spine01=spine3 neck01=neck neck02/ head=head "
        "jaw+ END+",
        "spine01 clavicle.{s}={o}_collar shoulder01.{s}/ upperarm01.{s}={o}_shoulder upperarm02.{s}/ "
        "lowerarm01.{s}={o}_elbow lowerarm02.{s}/ wrist.{s}={o}_wrist finger2-1.{s}+ END+",
        "root pelvis.{s}/ upperleg01.{s}={o}_hip upperleg02.{s}/ lowerleg01.{s}={o}_knee lowerleg02.{s}/ "
        "foot.{s}={o}_ankle toe1-1.{s}={o}_foot toe1-2.{s}+ END+",
    ),
    "Kimodo SOMA": (
        LEFT_RIGHT,
        "Hips=pelvis Spine1=spine1 Spine2=spine2 Chest=spine3 Neck1=neck Neck2/ Head=head HeadEnd+ END+",
        "Head Jaw+ END+",
        "Head {s}Eye+ END+",
        "Chest {s}Shoulder={o}_collar {s}Arm={o}_shoulder {s}ForeArm={o}_elbow {s}Hand={o}_wrist {s}HandThumb1+ END+",
        "Hips {s}Leg={o}_hip {s}Shin={o}_knee {s}Foot={o}_ankle {s}ToeBase={o}_foot {s}ToeEnd+ END+",
    ),
    "SnapMoGen": (
        L_R,
        "ROOT=pelvis C_spine0001_bind_JNT=spine1 C_spine0002_bind_JNT=spine2 C_spine0003_bind_JNT=spine3 "
        "C_neck0001_bind_JNT=neck C_neck0002_bind_JNT/ C_head_bind_JNT=head END@",
        "C_spine0003_bind_JNT {s}_clavicle_bind_JNT={o}_collar {s}_armUpper0001_bind_JNT={o}_shoulder "
        "{s}_armLower0001_bind_JNT={o}_elbow {s}_hand0001_bind_JNT={o}_wrist END@",
        "ROOT C_pelvis0001_bind_JNT@ END+",
        "C_pelvis0001_bind_JNT {s}_legUpper0001_bind_JNT={o}_hip {s}_legLower0001_bind_JNT={o}_knee "
        "{s}_foot0001_bind_JNT={o}_ankle {s}_foot0002_bind_JNT={o}_foot END@",
    ),
    "Xsens": (
        LEFT_RIGHT,
        "Hips=pelvis Chest=spine1 Chest2=spine2 Chest3/ Chest4=spine3 Neck=neck Head=head END+",
        "Chest4 {s}Collar={o}_collar {s}Shoulder={o}_shoulder {s}Elbow={o}_elbow {s}Wrist={o}_wrist END+",
        "Hips {s}Hip={o}_hip {s}Knee={o}_knee {s}Ankle={o}_ankle {s}Toe={o}_foot END+",
    ),
    "Acclaim": (
        LOWER,
        "root=pelvis lowerback=spine1 upperback=spine2 thorax=spine3 lowerneck=neck upperneck/ head=head END+",
        "thorax {s}clavicle={o}_collar {s}humerus={o}_shoulder {s}radius={o}_elbow {s}wrist={o}_wrist {s}hand+ "
        "{s}fingers+ END+",
        "root {s}hipjoint/ {s}femur={o}_hip {s}tibia={o}_knee {s}foot={o}_ankle {s}toes={o}_foot END+",
    ),
    "Daz Genesis": (
        LOWER,
        "hip=pelvis abdomenLower=spine1 abdomenUpper/ chestLower=spine2 chestUpper=spine3 neckLower=neck neckUpper/ "
        "head=head END+",
        "head {s}Eye+ END+",
        "chestUpper {s}Collar={o}_collar {s}ShldrBend={o}_shoulder {s}ShldrTwist/ {s}ForearmBend={o}_elbow "
        "{s}ForearmTwist/ {s}Hand={o}_wrist {s}Index1+ END+",
        "hip {s}ThighBend={o}_hip {s}ThighTwist/ {s}Shin={o}_knee {s}Foot={o}_ankle {s}Metatarsals/ {s}Toe={o}_foot "
        "{s}BigToe+ END+",
    ),
    "Advanced Skeleton": (
        L_R,
        "Root_M=pelvis Spine1_M=spine1 Spine2_M=spine2 Chest_M=spine3 Neck_M=neck Head_M=head END+",
        "Chest_M Scapula_{s}={o}_collar Shoulder_{s}={o}_shoulder Elbow_{s}={o}_elbow Wrist_{s}={o}_wrist END+",
        "Root_M Hip_{s}={o}_hip Knee_{s}={o}_knee Ankle_{s}={o}_ankle Toes_{s}={o}_foot END+",
    ),
    "Kinect": (
        LEFT_RIGHT,
        "SpineBase=pelvis SpineMid=spine2 SpineShoulder=spine3 Neck=neck Head=head END+",
        "SpineShoulder Shoulder{s}={o}_shoulder Elbow{s}={o}_elbow Wrist{s}={o}_wrist Hand{s}+ END+",
        "SpineBase Hip{s}={o}_hip Knee{s}={o}_knee Ankle{s}={o}_ankle Foot{s}={o}_foot END+",
    ),
    "Valve": (
        L_R,
        "ValveBiped.Bip01_Pelvis=pelvis ValveBiped.Bip01_Spine=spine1 ValveBiped.Bip01_Spine1=spine2 "
        "ValveBiped.Bip01_Spine2=spine3 ValveBiped.Bip01_Neck1=neck ValveBiped.Bip01_Head1=head END+",
        "ValveBiped.Bip01_Spine2 ValveBiped.Bip01_{s}_Clavicle={o}_collar ValveBiped.Bip01_{s}_UpperArm={o}_shoulder "
        "ValveBiped.Bip01_{s}_Forearm={o}_elbow ValveBiped.Bip01_{s}_Hand={o}_wrist END+",
        "ValveBiped.Bip01_Pelvis ValveBiped.Bip01_{s}_Thigh={o}_hip ValveBiped.Bip01_{s}_Calf={o}_knee "
        "ValveBiped.Bip01_{s}_Foot={o}_ankle ValveBiped.Bip01_{s}_Toe0={o}_foot END+",
    ),
    "the end of the foot": (
        LEFT_RIGHT,
        "Hips=pelvis Spine=spine1 Spine1=spine2 Spine2=spine3 Neck=neck END=head",
        "Spine2 {s}Shoulder={o}_collar {s}Arm={o}_shoulder {s}ForeArm={o}_elbow END={o}_wrist",
        "Hips {s}UpLeg={o}_hip {s}Leg={o}_knee {s}Foot={o}_ankle END={o}_foot",
    ),
    "a joint without a known name": (
        LEFT_RIGHT,
        "Reference! Hips=pelvis Spine=spine1 Spine1=spine2 Spine2=spine3 Neck=neck Head=head END+",
        "Spine2 {s}Shoulder={o}_collar {s}Arm={o}_shoulder {s}ForeArm={o}_elbow {s}Hand={o}_wrist END+",
        "Hips {s}UpLeg={o}_hip {s}Segment={o}_knee {s}Foot={o}_ankle {s}ToeBase={o}_foot END+",
    ),
    "named ends": (
        LEFT_RIGHT,
        "Hips=pelvis Spine=spine1 Spine1=spine2 Spine2=spine3 Neck=neck Neck_End=head",
        "Spine2 {s}Shoulder={o}_collar {s}Arm={o}_shoulder {s}ForeArm={o}_elbow {s}ForeArm_End={o}_wrist",
        "Hips {s}UpLeg={o}_hip {s}Leg={o}_knee {s}Foot={o}_ankle {s}Foot_End={o}_foot",
    ),
    "a gun in the hand": (
        LEFT_RIGHT,
        "Armature! Hips=pelvis Spine=spine1 Spine1=spine2 Spine2=spine3 Neck=neck Head=head END+",
        "Spine2 {s}Shoulder={o}_collar {s}Arm={o}_shoulder {s}ForeArm={o}_elbow {s}ForeArmRoll+ END+",
        "{s}ForeArm {s}Hand={o}_wrist {s}HandWeapon+ END+",
        "Hips {s}UpLeg={o}_hip {s}Leg={o}_knee {s}Foot={o}_ankle {s}Toe_End={o}_foot END+",
        "{s}UpLeg {s}UpLegRoll+ END+",
    ),
}
_SPINE_OF_THREE = {
    *("Mixamo", "ForeFoot", "3ds Max Biped", "Rigify", "Rigify metarig", "Auto-Rig Pro", "DeepMotion", "VRoid"),
    *("Unity and VRM", "Reallusion", "Kimodo SOMA", "SnapMoGen", "Acclaim", "Advanced Skeleton", "Valve"),
    *("the end of the foot", "a joint without a known name", "named ends", "a gun in the hand"),
}


def assert_read_like(figure: Figure, matches: dict[str, int], tmp_path, left_out=()):
    path = tmp_path / "walk.bvh"
    path.write_text(figure.scaled(100).text())
    joints = read_joints(path)
    positions = figure.positions()
    for ours in JOINT_NAMES:
        if ours in matches and ours not in left_out:
            here = joints[:, JOINT_INDEX[ours]]
            np.testing.assert_allclose(here, positions[:, matches[ours]], atol=1e-5, err_msg=ours)
            # A tree without some joints of the spine can't bend quite as the walk does.
            np.testing.assert_allclose(here, walk()[:, JOINT_INDEX[ours]], atol=0.01, err_msg=ours)
    return joints


@pytest.mark.parametrize("program", SKELETONS)
def test_the_joints_of_each_program_are_those_of_the_walk(tmp_path, program):
    sides, *lines = SKELETONS[program]
    figure, matches = build_figure(*lines, sides=sides)
    spine = () if program in _SPINE_OF_THREE else ("spine1", "spine2", "spine3")
    if not spine:
        assert {"spine1", "spine2", "spine3"} <= matches.keys()
    joints = assert_read_like(figure, matches, tmp_path, spine)
    way = np.linalg.norm(np.diff(joints[:, [0, 3, 6, 9, 12]], axis=1), axis=-1)
    assert way.min() > 0.02  # every joint of the spine has its place


def renamed(figure: Figure, rename) -> Figure:
    return replace(figure, names=[name and rename(name) for name in figure.names])


def without_sides(name: str) -> str:
    return name.replace("Left", "").replace("Right", "")


@pytest.mark.parametrize("rename", [without_sides, lambda name: "bone"], ids=["no sides", "no names"])
@pytest.mark.parametrize("turn", [0, 90, 215])
def test_feet_say_which_side_is_left_where_names_do_not(tmp_path, rename, turn):
    sides, first, *lines = SKELETONS["Mixamo"]
    figure, matches = build_figure(f"mixamorig:Root! {first}", *lines, sides=sides)
    axes = Rotation.from_euler("y", turn, degrees=True).as_matrix()
    numbers = iter(range(1000))
    figure = renamed(figure, lambda name: f"{rename(name.removeprefix('mixamorig:'))}.{next(numbers):03}")
    path = tmp_path / "walk.bvh"
    path.write_text(figure.turned(axes).text())
    np.testing.assert_allclose(read_joints(path), figure.turned(axes).positions()[:, list_of(matches)], atol=1e-5)


def list_of(matches: dict[str, int]) -> list[int]:
    return [matches[name] for name in JOINT_NAMES]


def test_joints_without_names_may_have_no_collars_and_more_bones_in_a_foot():
    """As KIT-ML's 21 joints have."""
    lines = (
        "root=pelvis a=spine1 b=spine2 n=neck h=head",
        "n {s}s={o}_shoulder {s}e={o}_elbow {s}w={o}_wrist",
        "root {s}h={o}_hip {s}k={o}_knee {s}a={o}_ankle {s}m/ {s}f={o}_foot",
    )
    figure, matches = build_figure(*lines)
    anonymous = Skeleton(tuple(f"j{i}" for i in range(len(figure.names))), tuple(figure.parents))
    weights = joint_weights("walk", anonymous, figure.positions(), None)
    for ours, joint in matches.items():
        if not ours.startswith("spine"):
            assert weights[JOINT_INDEX[ours]].argmax() == joint and weights[JOINT_INDEX[ours]].max() == 1, ours


def test_a_missing_neck_lies_between_chest_and_head(tmp_path):
    sides, *lines = SKELETONS["Mixamo"]
    figure, matches = build_figure(*(line.replace("mixamorig:Neck=neck ", "") for line in lines), sides=sides)
    joints = assert_read_like(figure, matches, tmp_path)
    neck, real = joints[:, JOINT_INDEX["neck"]], walk()[:, JOINT_INDEX["neck"]]
    assert np.linalg.norm(neck - real, axis=-1).max() < 0.05


def test_five_toes_stand_for_the_ball_of_the_foot():
    sides, *lines = SKELETONS["Unreal"]
    figure, matches = build_figure(*(line.replace("ball_{s}", "toe1-1_{s}") for line in lines), sides=sides)
    names, parents, positions = list(figure.names), list(figure.parents), figure.positions()
    for side in "lr":
        for toe in (2, 3):
            names.append(f"toe{toe}-1_{side}")
            parents.append(matches[f"{side}_ankle"])
            positions = np.concatenate([positions, positions[:, [matches[f"{side}_foot"]]] + [0, 0, 0.03 * toe]], 1)
    weights = joint_weights("walk", Skeleton(tuple(names), tuple(parents)), positions, None)
    toes = (weights @ positions)[:, JOINT_INDEX["l_foot"]]
    np.testing.assert_allclose(toes, positions[:, matches["l_foot"]] + [0, 0, 0.05], atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("LeftLeg", "LeftWing", "l_knee"),
        ("Foot", "Eye", "l_ankle, r_ankle"),
        ("UpLeg", "Skirt", "l_knee, l_ankle"),  # LeftLeg alone may be the thigh
        ("Hand", "Gun", "l_wrist, r_wrist"),
        ("Left", "Other", "l_hip, l_knee"),
    ],
)
def test_a_skeleton_that_lacks_a_joint_is_refused_with_its_names(old, new, missing):
    sides, *lines = SKELETONS["Mixamo"]
    figure, _ = build_figure(*(line.replace("mixamorig:", "") for line in lines), sides=sides)
    names = tuple(name.replace(old, new) for name in figure.names if name)
    kept = [i for i, name in enumerate(figure.names) if name]
    parents = tuple(kept.index(figure.parents[i]) if figure.parents[i] >= 0 else -1 for i in kept)
    message = rf"take: the skeleton can't be matched, no joint stands for {missing}.*; it has Hips, Spine"
    with pytest.raises(AtomError, match=message):
        joint_weights("take", Skeleton(names, parents), figure.positions()[:, kept], None)


def test_a_foot_that_ends_at_the_ankle_has_no_toes():
    lines = (line.replace("END={o}_foot", "END@") for line in SKELETONS["the end of the foot"][1:])
    figure, _ = build_figure(*lines)
    skeleton = Skeleton(tuple(figure.names), tuple(figure.parents))
    with pytest.raises(AtomError, match="no joint stands for l_foot, r_foot; it has"):
        joint_weights("take", skeleton, figure.positions(), None)


def test_a_tree_that_is_no_body_is_refused():
    chain = Skeleton(tuple(f"joint{i}" for i in range(10)), tuple(range(-1, 9)))
    positions = np.cumsum(np.ones((5, 10, 3)), axis=1)
    with pytest.raises(AtomError, match="no joint stands for l_hip"):
        joint_weights("rope", chain, positions, None)


def test_sides_that_neither_names_nor_feet_give_are_refused():
    sides, *lines = SKELETONS["Mixamo"]
    figure, matches = build_figure(*lines, sides=sides)
    positions = figure.positions().copy()
    for side in "lr":  # feet that point down
        positions[:, matches[f"{side}_foot"]] = positions[:, matches[f"{side}_ankle"]] - [0, 0.1, 0]
    anonymous = Skeleton(tuple(without_sides(name) for name in figure.names), tuple(figure.parents))
    with pytest.raises(AtomError, match="which hip is the left one: name the joints of each side"):
        joint_weights("take", anonymous, positions, None)


@pytest.mark.parametrize("case", ["biovision_spec", "biped_max", "bvh_test3", "forefoot", "neck1only", "noneck"])
def test_shared_cases_are_read(shared, case):
    joints = read_joints(shared / f"data/cases/02_bvh_names/{case}.bvh")
    height = joints[:, JOINT_INDEX["head"], 1] - joints[:, [JOINT_INDEX["l_ankle"], JOINT_INDEX["r_ankle"]], 1].min(1)
    assert 1.2 < np.median(height) < 1.7
    # The left hip lies to the left of the way that the feet point.
    ahead = (joints[:, [10, 11]] - joints[:, [7, 8]]).mean(axis=1)
    left = np.cross([0, 1, 0], ahead)
    assert (np.sum(left * (joints[:, 1] - joints[:, 2]), axis=-1) > 0).mean() > 0.9
