"""Settings of `make lab`: what a reader saves keeps the pictures of widgets, and nothing pops up over the notebook."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # Jupyter runs this file from wherever it was started

from runner import keep_the_picture

c = get_config()  # noqa: F821 -- Jupyter defines it


def keep_pictures(model, **_):
    """Before a notebook is saved. JupyterLab's own copy of it, the one on the screen, keeps its widgets."""
    if model["type"] != "notebook" or not model.get("content"):
        return
    for cell in model["content"].get("cells", []):
        for output in cell.get("outputs", []):
            keep_the_picture(output.get("data", {}))


def stay_quiet(_handler, page):
    """Before the page is sent. JupyterLab's question whether it may fetch news would lie over the notebook."""
    page["disabledExtensions"] = [*page.get("disabledExtensions", []), "@jupyterlab/apputils-extension:announcements"]
    page["buildAvailable"] = page["buildCheck"] = False  # nor does it look for something to build
    return page


c.FileContentsManager.pre_save_hook = keep_pictures
c.ServerApp.tornado_settings = {"page_config_hook": stay_quiet}
c.LabApp.news_url = None
