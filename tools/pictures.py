"""Write the README's pictures: the stored figure of each cell tagged `readme-NAME` goes to docs/NAME.png.

`make notebooks` calls it, so that the README shows what the course computed and nothing else.
"""

import base64

from runner import NOTEBOOKS, ROOT, as_tool, read_all, shelf, write

PREFIX = "readme-"


def pictures(folder=NOTEBOOKS):
    """Name and PNG bytes of every tagged figure, in the order of the notebooks."""
    found = {}
    for notebook in read_all(shelf(folder) + shelf(folder, evidence=True)).values():
        for cell in notebook.cells:
            names = [tag.removeprefix(PREFIX) for tag in cell.metadata.get("tags", []) if tag.startswith(PREFIX)]
            images = [o.data["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
            found.update({name: base64.b64decode(images[0]) for name in names if images})
    return found


def main():
    docs = ROOT / "docs"
    docs.mkdir(exist_ok=True)
    for name, png in pictures().items():
        path = docs / f"{name}.png"
        if not path.exists() or path.read_bytes() != png:
            write(path, png)
            print(f"{path.relative_to(ROOT)} is new")


if __name__ == "__main__":
    as_tool(main)
