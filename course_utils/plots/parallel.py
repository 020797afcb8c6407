"""The diagram of training on several processors: who has what, and where the processes meet."""

from matplotlib.patches import FancyBboxPatch

from course_utils.plots.networks import BLUE, GREY, INK, ORANGE, _arrow, _board, _box, _finish, _tint


def data_parallel(title: str = "") -> None:
    """Two processes: each has the whole model and a share of the batch; they meet once a step, at the mean gradient."""
    figure, ax = _board(3.2)
    top, low = 2.4, 0.75
    middle = (top + low) / 2
    batch, mean = _box(ax, 0.6, middle, "batch", w=0.9), _box(ax, 6.5, middle, "mean", ORANGE, w=1.0)
    ax.text(mean.right[0] + 0.1, middle, "all-reduce", ha="left", va="center", color=INK, style="italic")
    models = []
    for process, y in enumerate((top, low)):
        outwards = 1 if y == top else -1
        ax.add_patch(
            FancyBboxPatch(
                (1.3, y - 0.45),
                7.65,
                0.9,
                boxstyle="round,pad=0,rounding_size=0.12",
                facecolor=_tint(GREY, 0.12),
                edgecolor="none",
                zorder=0,
            )
        )
        ax.text(1.4, y + outwards * 0.62, f"process {process}", ha="left", va="center", color=INK, fontweight="bold")
        share, model = _box(ax, 1.95, y, "share", w=0.95), _box(ax, 3.55, y, "model", BLUE, w=1.1)
        gradient, step = _box(ax, 5.2, y, "gradient", ORANGE, w=1.15), _box(ax, 8.1, y, "same step", BLUE, w=1.3)
        edge = batch.right[0], middle + outwards * 0.1
        for start, end in ((edge, share.left), (share.right, model.left), (model.right, gradient.left)):
            _arrow(ax, start, end)
        near = outwards * 0.2  # arrows to and from the mean keep apart from its words
        _arrow(ax, (gradient.x + 0.575, y - near), (mean.x - 0.5, middle + near), ORANGE)
        _arrow(ax, (mean.x + 0.5, middle + near), (step.x - 0.65, y - near), ORANGE)
        models.append(model)
    above, below = models
    ax.plot([above.x] * 2, [above.bottom[1], below.top[1]], color=BLUE, linestyle="--", linewidth=1.5)
    ax.text(
        above.x,
        middle,
        "the same weights",
        ha="center",
        va="center",
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 4},
    )
    _finish(
        figure,
        ax,
        title,
        "A diagram: a batch is divided into two shares. Each of two processes has its own copy of the model, with the "
        "same weights, and computes a gradient from its share; an all-reduce takes the mean of the two gradients and "
        "gives it back to both, which take the same step",
    )
