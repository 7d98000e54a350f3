import pytest

from atom.errors import AtomError
from atom.humanml3d.captions import BrokenLine, Caption, find_mirror_damage, parse_caption, read_captions

WORDS = "a/DET person/NOUN walk/VERB"


@pytest.mark.parametrize("times", ["0.0#0.0", "0#0", "nan#nan", "0.0#nan", "NaN#0"])
def test_a_caption_without_times_describes_the_whole_clip(times):
    caption = parse_caption(f"a person walks.#{WORDS}#{times}\n")
    assert caption == Caption("a person walks.", ("a/DET", "person/NOUN", "walk/VERB"), 0.0, 0.0)
    assert caption.is_whole_clip


def test_a_caption_with_times_describes_a_part():
    caption = parse_caption(f"a person walks#{WORDS}#1.5#4.25")
    assert (caption.start, caption.end, caption.is_whole_clip) == (1.5, 4.25, False)
    assert parse_caption(f"a person walks#{WORDS}#nan#3").end == 3


def test_a_text_may_hold_the_separator_and_words_a_slash():
    assert parse_caption("walks to #1#walk/VERB 1/2/NUM#0#0") == Caption("walks to #1", ("walk/VERB", "1/2/NUM"))


BROKEN = {
    "a person walks": "has 1 fields between #",
    f"a person walks#{WORDS}": "has 2 fields",
    f"a person walks#{WORDS}#0.0": "has 3 fields",
    f"#{WORDS}#0#0": "has no caption",
    "a person walks##0#0": "has no words",
    "a person walks#a/DET person#0#0": "has 'person' where word/POS is expected",
    "a person walks#a/DET /NOUN#0#0": "has '/NOUN' where word/POS is expected",
    f"a person walks#{WORDS}#zero#0": "has 'zero' where seconds are expected",
    f"a person walks#{WORDS}#5#2": "from 5 to 2 s",
    f"a person walks#{WORDS}#2#2": "from 2 to 2 s",
    f"a person walks#{WORDS}#-1#2": "from -1 to 2 s",
    f"a person walks#{WORDS}#0#inf": "from 0 to inf s",
}


@pytest.mark.parametrize("line", BROKEN)
def test_a_broken_line_says_why(line):
    with pytest.raises(ValueError, match=BROKEN[line]):
        parse_caption(line)


def test_broken_lines_are_set_aside_with_their_number(tmp_path):
    path = tmp_path / "000000.txt"
    good = f"a person walks#{WORDS}#0#0"
    path.write_text(f"{good}\n\nno caption at all\r\n{good}\n   \n{good}#\n", encoding="utf-8-sig")
    captions, broken = read_captions(path)
    assert captions == [parse_caption(good)] * 2
    assert [line.line for line in broken] == [3, 6] and all(isinstance(line, BrokenLine) for line in broken)
    path.write_text("")
    assert read_captions(path) == ([], [])


@pytest.mark.parametrize("content", ["une personne s'arrête".encode("latin-1"), b"a\0b#c/D#0#0", b"\xff\xfea\0"])
def test_files_that_are_no_text_are_named(tmp_path, content):
    path = tmp_path / "000000.txt"
    path.write_bytes(content)
    with pytest.raises(AtomError, match=r"000000\.txt: is not text in UTF-8"):
        read_captions(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AtomError, match=r"x\.txt: no such file"):
        read_captions(tmp_path / "x.txt")


def test_word_classes_are_pairs():
    caption = parse_caption("a man bows and/or sits#a/DET man/NOUN bow/VERB and/or/CCONJ sit/VERB#0#0")
    assert caption.word_classes == [
        ("a", "DET"),
        ("man", "NOUN"),
        ("bow", "VERB"),
        ("and/or", "CCONJ"),
        ("sit", "VERB"),
    ]


@pytest.mark.parametrize(
    ("text", "damage"),
    [
        ("a person stands upleft and walks", "upleft"),
        ("he turns counter counterclockwise", "counter counterclockwise"),
        ("he turns Counter-counterclockwise.", "Counter-counterclockwise"),
        ("she picks up the rightovers", "rightovers"),
        ("a bleft light", "bleft"),
    ],
)
def test_words_that_mirroring_damaged_are_found(text, damage):
    assert find_mirror_damage(text, is_mirrored=True) == find_mirror_damage(text, is_mirrored=False) == damage


@pytest.mark.parametrize("text", ["he walks clock wise", "he walks anti-clockwise", "he walks counter clock wise"])
def test_a_direction_in_another_spelling_is_damage_in_a_mirror_image_alone(text):
    assert find_mirror_damage(text, is_mirrored=True) in text
    assert find_mirror_damage(text, is_mirrored=False) is None


@pytest.mark.parametrize(
    "text",
    ["he stands upright", "a left-handed man turns left", "he walks counterclockwise", "he clocks the right man"],
)
def test_sound_captions_have_no_damage(text):
    assert find_mirror_damage(text, is_mirrored=True) is None
