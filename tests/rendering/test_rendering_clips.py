"""Contact sheets and video clips: layout, labels, formats and failures of ffmpeg."""

import re
import stat
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from atom.errors import AtomError
from atom.motion.skeleton import JOINT_INDEX, JOINTS
from atom.rendering import find_ffmpeg, render_contact_sheet, render_grid, write_frames, write_grid, write_video
from atom.rendering.contact_sheet import GAP, choose_columns, fit_cell_size
from atom.rendering.text_labels import render_caption_strip


def motion(frames: int) -> np.ndarray:
    """A body-like cloud of joints that slides ahead, (frames, 22, 3)."""
    joints = np.random.default_rng(0).normal(0, 0.25, (1, JOINTS, 3)) + np.array([0, 1.0, 0])
    joints[:, JOINT_INDEX["l_hip"], 0], joints[:, JOINT_INDEX["r_hip"], 0] = 0.1, -0.1
    return np.repeat(joints, frames, axis=0) + np.arange(frames)[:, None, None] * [0, 0, 0.05]


def probe(path) -> str:
    return subprocess.run([find_ffmpeg(), "-i", str(path)], capture_output=True, text=True, check=False).stderr


@pytest.fixture
def clean_environment(monkeypatch):
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)


def fake_ffmpeg(folder, script: str) -> str:
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_an_mp4_has_every_frame_and_plays_in_browsers(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, motion(23), size=96)
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert frames == 23 and seconds == pytest.approx(23 / 20, abs=0.01)
    assert re.search(r"h264.*yuv420p.*96x96.*20 fps", probe(path))
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")  # starts to play before it is loaded
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_the_same_motion_gives_the_same_file(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, motion(8), size=64)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_the_picture_survives_encoding(tmp_path):
    path = tmp_path / "clip.mp4"
    frames = [np.full((64, 80, 3), (230, 120, 40), np.uint8)] * 3
    write_frames(path, frames, fps=10)
    reader = imageio_ffmpeg.read_frames(str(path))
    assert next(reader)["source_size"] == (80, 64)
    decoded = np.frombuffer(next(reader), np.uint8).reshape(64, 80, 3).astype(int)
    assert np.abs(decoded - frames[0]).max() < 12
    reader.close()


def test_odd_sizes_lose_one_row_and_column(tmp_path):
    write_video(tmp_path / "clip.mp4", motion(2), size=65)
    assert "64x64" in probe(tmp_path / "clip.mp4")


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_hold_every_frame_and_loop(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_video(path, motion(6), size=64, fps=20)
    with Image.open(path) as image:
        assert image.n_frames == 6 and image.size == (64, 64)
        assert image.info["loop"] == 0
        image.seek(3)
        image.load()
        assert image.info["duration"] == 50


def test_side_by_side_holds_the_last_frame_of_the_shorter(tmp_path):
    panes = [("base", motion(4)), ("tuned", motion(9))]
    frames = list(render_grid(panes, size=64))
    assert len(frames) == 9
    left, right = [frame[:, :64] for frame in frames], [frame[:, -64:] for frame in frames]
    assert all(np.array_equal(left[3], frame) for frame in left[4:])
    assert not np.array_equal(right[3], right[8])
    strip = frames[0].shape[0] - 64
    assert (frames[0][:strip, :64] < 128).any()  # a label is written
    assert not np.array_equal(frames[0][:strip, :64], frames[0][:strip, -64:])
    assert frames[0].shape[1] == 64 + 2 + 64
    path = tmp_path / "pair.mp4"
    write_grid(path, panes, size=64)
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == 9


def test_a_grid_has_rows_and_a_title():
    panes = [(f"motion {i}", motion(3 + i)) for i in range(5)]
    frames = list(render_grid(panes, size=48, columns=2, title="a person <b>walks</b>"))
    titled, plain = frames[0], next(render_grid(panes, size=48, columns=2))
    strip = titled.shape[0] - plain.shape[0] - 2
    assert len(frames) == 7 and plain.shape == (3 * (48 + strip + 2) - 2, 98, 3)
    assert (titled[:strip] < 128).any() and np.array_equal(titled[strip + 2 :], plain)
    assert (plain[2 * (48 + strip + 2) :, 50:] == 255).all()  # the empty place
    drawn = np.asarray(frames[6][strip + 2 :][strip : strip + 48, :48])
    assert np.array_equal(drawn, list(render_grid(panes[:1], size=48))[-1][strip:])
    with pytest.raises(AtomError, match="at least one column"):
        render_grid(panes, columns=0)


def test_long_labels_are_cut_and_unusual_ones_are_drawn():
    wide = render_caption_strip(120, 20, "a person walks " * 30, "9.8 s")
    assert wide.size == (120, 20)
    alone = render_caption_strip(120, 20, "", "9.8 s")
    assert np.array_equal(np.asarray(wide)[:, 80:], np.asarray(alone)[:, 80:])  # the text ends before the time
    for text in ("", "line\nbreak", "größer ✓"):
        render_caption_strip(120, 20, text)


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 40, 100, 196])
def test_a_sheet_has_a_cell_for_every_eighth_frame(frames):
    size = 48
    sheet = np.asarray(render_contact_sheet(motion(frames), size=size)).astype(int)
    cells = len(range(0, frames, 8))
    columns = choose_columns(cells)
    rows = -(-cells // columns)
    strip = 14
    assert sheet.shape == (rows * (size + strip + GAP) - GAP, columns * (size + GAP) - GAP, 3)
    for cell in range(rows * columns):
        top, left = cell // columns * (size + strip + GAP), cell % columns * (size + GAP)
        labelled = (sheet[top + size : top + size + strip, left : left + size] < 128).any()
        drawn = (sheet[top : top + size, left : left + size] != 255).mean() > 0.9
        assert labelled == drawn == (cell < cells)


def test_grids_are_near_square_and_waste_little():
    for cells in range(1, 197):
        columns = choose_columns(cells)
        rows = -(-cells // columns)
        assert 0 <= columns * rows - cells < columns
        assert columns >= rows
        assert cells <= 3 or columns <= 1.6 * cells**0.5 + 1
    assert [choose_columns(cells) for cells in (1, 3, 4, 8, 16, 25)] == [1, 3, 2, 3, 4, 5]


def test_the_fitted_cell_is_the_largest_that_fits():
    for columns, rows in ((1, 1), (3, 2), (4, 4), (2, 7)):
        size = fit_cell_size(768, 1024, columns, rows)
        sheet = render_contact_sheet(motion(columns * rows), every=1, size=size, columns=columns)
        assert sheet.width <= 768 and sheet.height <= 1024
        larger = render_contact_sheet(motion(columns * rows), every=1, size=size + 1, columns=columns)
        assert larger.width > 768 or larger.height > 1024


def test_a_cell_may_fill_the_picture_to_the_last_pixel():
    """A cell of 200 has a caption of 20, one of 100 a caption of 14; between two cells lies a gap."""
    for width, height, columns, rows, size in ((200, 220, 1, 1, 200), (200 + GAP + 200, 440 + GAP, 2, 2, 200)):
        assert fit_cell_size(width, height, columns, rows) == size
        assert fit_cell_size(width, height - 1, columns, rows) == fit_cell_size(width - 1, height, columns, rows) == 199
    assert fit_cell_size(500, 114, 1, 1) == 100 and fit_cell_size(500, 10, 1, 1) <= 0


def test_a_sheet_takes_columns_and_step():
    joints = motion(20)
    row = render_contact_sheet(joints, every=5, size=48, columns=4)
    assert row.width > 3 * row.height
    alone = render_contact_sheet(joints, every=100, size=48)
    assert alone.width == 48
    for options in ({"every": 0}, {"columns": 0}):
        with pytest.raises(AtomError, match=">= 1"):
            render_contact_sheet(joints, **options)


def test_a_failing_ffmpeg_is_quoted(tmp_path, monkeypatch):
    broken = fake_ffmpeg(tmp_path, "echo 'Unknown encoder libx264' >&2; exit 3")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", broken)
    with pytest.raises(AtomError, match=r"status 3: Unknown encoder libx264; set IMAGEIO_FFMPEG_EXE"):
        write_video(tmp_path / "clip.mp4", motion(30), size=256)
    assert not list(tmp_path.glob("*.mp4")) and not list(tmp_path.glob(".*"))


def test_an_ffmpeg_that_floods_its_error_output_does_not_block(tmp_path, monkeypatch):
    flood = fake_ffmpeg(tmp_path, "head -c 300000 /dev/zero | tr '\\0' 'x' >&2; cat > /dev/null; exit 1")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", flood)
    with pytest.raises(AtomError, match="status 1"):
        write_video(tmp_path / "clip.mp4", motion(4), size=128)


def test_a_missing_ffmpeg_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nowhere"))
    with pytest.raises(AtomError, match=r"can't start ffmpeg .*nowhere"):
        write_video(tmp_path / "clip.mp4", motion(2), size=64)


def test_ffmpeg_is_found_on_the_path_first(tmp_path, monkeypatch, clean_environment):
    mine = fake_ffmpeg(tmp_path, "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() == mine
    monkeypatch.setenv("PATH", "")
    assert "ffmpeg" in find_ffmpeg()


def test_a_clip_is_kept_when_its_replacement_fails(tmp_path):
    path = tmp_path / "clip.gif"
    write_video(path, motion(2), size=64)
    before = path.read_bytes()

    def frames():
        yield np.zeros((64, 64, 3), np.uint8)
        raise AtomError("stopped")

    for name in ("clip.gif", "clip.mp4"):
        with pytest.raises(AtomError, match="stopped"):
            write_frames(tmp_path / name, frames())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["clip.gif"]


@pytest.mark.parametrize("name", ["clip.avi", "clip", "missing/clip.mp4"])
def test_places_that_cannot_be_written_are_named(tmp_path, name):
    with pytest.raises(AtomError, match=r"clip|missing"):
        write_video(tmp_path / name, motion(2), size=64)


def test_an_empty_clip_is_an_error(tmp_path):
    with pytest.raises(AtomError, match="at least one motion"):
        write_grid(tmp_path / "clip.mp4", [])
    with pytest.raises(AtomError, match="at least one frame"):
        write_frames(tmp_path / "clip.mp4", [])
    with pytest.raises(AtomError, match="above 0"):
        write_video(tmp_path / "clip.mp4", motion(2), fps=0)
    with pytest.raises(AtomError, match="frame 1"):
        write_grid(tmp_path / "clip.mp4", [("a", motion(2)), ("b", motion(2) + np.array([0, np.nan])[:, None, None])])
