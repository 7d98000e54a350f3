"""`atom generate`: a motion and its video from a text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atom.config import View
from atom.config.base import VIEW_HELP
from atom.errors import AtomError

console = Console(stderr=True)


def generate(
    text: Annotated[str, typer.Argument(help="what the person does, e.g. 'a person jumps twice, then waves'")],
    output: Annotated[Path, typer.Option("-o", "--output", help="the video to write (.mp4, .gif or .webp)")],
    npy: Annotated[Path | None, typer.Option(help="also write the joints to this .npy, (T,22,3) in metres")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    checkpoint: Annotated[str, typer.Option(help="'builtin' or a checkpoint folder")] = "builtin",
    adapter: Annotated[Path | None, typer.Option(help="a LoRA adapter folder, such as a run's")] = None,
    temperature: Annotated[
        float, typer.Option(min=0, help="sampling temperature; 0 always takes the likeliest token")
    ] = 1.0,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 1.0,
    template: Annotated[
        str | None,
        typer.Option(help="prompt template: 'motiongpt', 'caption' or a text with {}; default: the checkpoint's"),
    ] = None,
    device: str = "cpu",
    size: Annotated[int, typer.Option(min=64, max=1024, help="width and height of the video in pixels")] = 512,
    view: Annotated[View, typer.Option(help=VIEW_HELP)] = "follow",
) -> None:
    """Generate a motion from a text and render it."""
    if not text.strip():
        raise AtomError("the text is empty; describe what the person does, e.g. 'a person jumps twice'")
    if output.suffix.lower() not in (".mp4", ".gif", ".webp"):
        raise AtomError(f"can't write a video to {output}: the name must end in .mp4, .gif or .webp")
    for path in filter(None, (output, npy)):
        if not path.parent.is_dir():
            raise AtomError(f"the folder {path.parent} of {path.name} does not exist; make it first")
    from atom.generation.generator import Generator
    from atom.motion_formats.motion_files import write_motion
    from atom.rendering import write_video

    generator = Generator.load(checkpoint, str(adapter) if adapter else None, device, template)
    with console.status("generating"):
        (sample,) = generator.sample([text], [seed], temperature=temperature, top_p=top_p)
        if not sample.tokens:
            raise AtomError(f"the model generated an empty motion for {text!r}; try another --seed")
        (joints,) = generator.decode([sample.tokens])
    with console.status("rendering"):
        write_video(output, joints, size=size, view=view)
    if npy:
        write_motion(npy, joints)
    console.print(f"{output}: {len(joints)} frames, {len(joints) / 20:.1f} s, seed {seed}")
