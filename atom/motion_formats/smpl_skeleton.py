"""The rest poses of the SMPL family: where the 22 body joints of a mean shape lie when every rotation is zero.

The models themselves are licensed and not part of this project; these are the joints that they give for zero shape
parameters, as public sources print them. SMPL-H has the body of SMPL: its first 22 joints differ by less than 1 µm.
"""

from __future__ import annotations

import numpy as np

from atom.motion.skeleton import JOINTS, PARENTS

SMPL_NEUTRAL = np.array(
    [
        [-0.00180, -0.22333, 0.02822], [0.06772, -0.31474, 0.02140], [-0.06947, -0.31386, 0.02390],
        [-0.00433, -0.11437, 0.00152], [0.10200, -0.68994, 0.01691], [-0.10776, -0.69642, 0.01505],
        [0.00116, 0.02081, 0.00262], [0.08841, -1.08790, -0.02679], [-0.09198, -1.09484, -0.02726],
        [0.00262, 0.07373, 0.02804], [0.11476, -1.14369, 0.09250], [-0.11735, -1.14298, 0.09609],
        [-0.00016, 0.28760, -0.01482], [0.08146, 0.19548, -0.00605], [-0.07914, 0.19257, -0.01058],
        [0.00499, 0.35257, 0.03653], [0.17244, 0.22595, -0.01492], [-0.17516, 0.22512, -0.01972],
        [0.43205, 0.21318, -0.04237], [-0.42890, 0.21179, -0.04112], [0.68128, 0.22216, -0.04355],
        [-0.68420, 0.21956, -0.04668],
    ]
)  # fmt: skip
"""(22, 3) of SMPL and SMPL-H, in metres; the body faces +Z with Y up and its left at +X.

Source: the offsets in the BVH files of MotionMillion, https://github.com/VankouF/MotionMillion-Codes, commit be53e62.
"""

SMPL_MALE = np.array(
    [
        [-0.00217, -0.24079, 0.02858], [0.05641, -0.32307, 0.01092], [-0.06248, -0.33130, 0.01504],
        [0.00227, -0.11639, -0.00980], [0.09986, -0.70954, 0.01896], [-0.10574, -0.71499, 0.01020],
        [0.00675, 0.02157, 0.01702], [0.08507, -1.13641, -0.01847], [-0.08668, -1.13504, -0.02436],
        [0.00449, 0.07760, 0.01987], [0.12612, -1.19670, 0.10357], [-0.12152, -1.19714, 0.10596],
        [-0.00890, 0.28924, -0.01359], [0.07619, 0.19160, 0.00098], [-0.07846, 0.19008, -0.00383],
        [0.00121, 0.37818, 0.03682], [0.19911, 0.23681, -0.01807], [-0.19169, 0.23693, -0.01231],
        [0.45445, 0.22116, -0.04102], [-0.45182, 0.22256, -0.04357], [0.72015, 0.23386, -0.04839],
        [-0.72093, 0.22935, -0.04960],
    ]
)  # fmt: skip
"""(22, 3). Source: the offsets in `vis.py` of EDGE, https://github.com/Stanford-TML/EDGE, whose pelvis is at 0, and the
pelvis of TransPose, https://github.com/Xinyu-Yi/TransPose."""

SMPL_FEMALE = np.array(
    [
        [-0.00088, -0.21142, 0.02782], [0.07048, -0.30100, 0.01977], [-0.06989, -0.30038, 0.02303],
        [-0.00338, -0.10816, 0.00564], [0.10115, -0.66521, 0.01309], [-0.10604, -0.67103, 0.01384],
        [0.00020, 0.01950, 0.00392], [0.08960, -1.04856, -0.03042], [-0.09201, -1.05467, -0.02805],
        [0.00222, 0.06857, 0.03179], [0.11294, -1.10321, 0.08395], [-0.11406, -1.10108, 0.08985],
        [0.00026, 0.27681, -0.01798], [0.07752, 0.18635, -0.00508], [-0.07481, 0.18417, -0.01002],
        [0.00378, 0.33913, 0.03223], [0.16284, 0.21809, -0.01238], [-0.16401, 0.21696, -0.01982],
        [0.41409, 0.20612, -0.03990], [-0.41000, 0.20381, -0.03998], [0.65211, 0.21513, -0.03985],
        [-0.65518, 0.21243, -0.04352],
    ]
)  # fmt: skip
"""(22, 3). Source: public code that lists the joints of both models; its male ones are those above."""

SMPLX_NEUTRAL = np.array(
    [
        [0.00312, -0.35141, 0.01204], [0.06131, -0.44417, -0.01396], [-0.06014, -0.45532, -0.00921],
        [0.00036, -0.24152, -0.01558], [0.11601, -0.82292, -0.02336], [-0.10435, -0.81770, -0.02604],
        [0.00981, -0.10966, -0.02152], [0.07255, -1.22598, -0.05524], [-0.08894, -1.22842, -0.04623],
        [-0.00152, -0.05743, 0.00693], [0.11981, -1.28398, 0.06298], [-0.12775, -1.28675, 0.07282],
        [-0.01369, 0.10774, -0.02469], [0.04484, 0.02752, -0.00029], [-0.04922, 0.02691, -0.00647],
        [0.01110, 0.26819, -0.00395], [0.16408, 0.08524, -0.01576], [-0.15179, 0.08043, -0.01914],
        [0.41820, 0.01309, -0.05821], [-0.42294, 0.04394, -0.04561], [0.67019, 0.03631, -0.06069],
        [-0.67221, 0.03941, -0.06093],
    ]
)  # fmt: skip
"""(22, 3) of SMPL-X 1.1. Source: the table of SMPL-X joints in LeRobot, https://github.com/huggingface/lerobot."""


def rest_joints(model: str, gender: str) -> np.ndarray:
    """The rest pose (22, 3) of a mean-shape body.

    Args:
        model: "smpl", "smplh" or "smplx".
        gender: "male", "female" or any other word for neutral. SMPL-X has one body here, the neutral one.
    """
    if model == "smplx":
        return SMPLX_NEUTRAL
    return {"male": SMPL_MALE, "female": SMPL_FEMALE}.get(gender, SMPL_NEUTRAL)


def bone_offsets(rest: np.ndarray) -> np.ndarray:
    """The offset (22, 3) of each joint from its parent; zero for the pelvis."""
    assert rest.shape == (JOINTS, 3)
    return rest - rest[[0, *PARENTS[1:]]]
