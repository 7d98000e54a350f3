"""What the words of a joint's name say."""

import pytest

from atom.motion_formats.matching.joint_names import parse_joint_name


def best(name):
    scores = parse_joint_name(name).scores
    return max(scores, key=scores.get, default=None)


@pytest.mark.parametrize(
    ("names", "side", "joint"),
    [
        ("LeftUpLeg l_up_leg thigh.L lfemur LThigh J_Bip_L_UpperLeg leftupleg UpperLeg_L thigh_stretchl", "l", "hip"),
        ("RightLowLeg rshin Bip01__R__Calf calf_r R_legLower0001_bind_JNT KneeRight rtibia r_shank", "r", "knee"),
        ("LUArm LeftUpArm lShldr lhumerus l_uarm L_armUpper0001_bind_JNT DEF-upper_arm.L", "l", "shoulder"),
        ("RFArm RightLowArm relbow lowerarm_r R_Radius r_larm DEF-forearm.R.001 ForearmRight", "r", "elbow"),
        ("LeftForeFoot ball_l toes_01.l CC_Base_L_ToeBase L_BigToe Bip01__L__Toe0", "l", "foot"),
        ("rcollar clavicle_r Bip001__R__Clavicle CC_Base_R_Clavicle RightCollarbone", "r", "collar"),
        ("LeftHand l_wrist hand.L LeftWrist", "l", "wrist"),
        ("Hips mixamorig:Hips pelvis Bip01__Pelvis hip CC_Base_Hip", "", "pelvis"),
        ("Neck neck_01 C_neck0001_bind_JNT lowerneck CC_Base_NeckTwist01", "", "neck"),
    ],
)
def test_a_name_says_its_side_and_joint(names, side, joint):
    for name in names.split():
        parsed = parse_joint_name(name.replace("__", " "))
        assert (parsed.side, best(name.replace("__", " "))) == (side, joint), name


@pytest.mark.parametrize(
    "name",
    ["LeftHandThumb1", "ik_foot_l", "LeftEye", "J_Sec_Hair1_01", "RightHandRing2", "foot_ik.L", "index_metacarpal_l"],
)
def test_fingers_faces_and_controls_are_no_joints(name):
    assert parse_joint_name(name).is_other
    assert best(name) is None


def test_a_twist_joint_comes_after_the_joint_itself():
    twist, joint = parse_joint_name("thigh_twist_01_l"), parse_joint_name("thigh_l")
    assert 0 < twist.scores["hip"] < joint.scores["hip"]
    assert twist.scores["hip"] < parse_joint_name("LeftLeg").scores["hip"]


@pytest.mark.parametrize("name", ["root", "Armature", "Reference", "Spine1", "bone.017", "", "LBone", "Bip01"])
def test_other_words_say_nothing(name):
    assert best(name) is None and not parse_joint_name(name).is_other
