"""A tree as a page of its own: steps under steps, the best solution open, scores as colours."""

from html import escape

from stepreward.search.tree import Tree

_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Search</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: 70em; margin: 2em auto; }
details { margin-left: 1.2em; border-left: 2px solid #ddd; padding-left: .6em; }
summary { white-space: pre-wrap; }
b { border-radius: .3em; padding: 0 .3em; }
.best > summary { font-weight: bold; }
</style>
"""


def page(question: str, tree: Tree) -> str:
    best = tree.best()
    path = {node.number for node in tree.upward(best)} if best is not None else set()
    told = f"{len(tree.nodes) - 1} steps proposed, {tree.tokens} tokens"
    return f"{_HEAD}<h1>{escape(question)}</h1>\n<p>{told}</p>\n{_children(tree, 0, path)}</html>\n"


def _children(tree: Tree, root: int, best: set[int]) -> str:
    """Without recursion: a solution may be long."""
    parts: list[str] = []
    open_: list[tuple[int, bool]] = [(child, True) for child in reversed(tree.nodes[root].children)]
    while open_:
        number, begins = open_.pop()
        if not begins:
            parts.append("</details>\n")
            continue
        node = tree.nodes[number]
        mark = ' class="best" open' if number in best else ""
        end = " ■" if node.proposal and node.proposal.done else ""
        text = escape(node.proposal.step if node.proposal else "")
        parts.append(f"<details{mark}><summary>{_badge(node.score)} {text}{end}</summary>\n")
        open_.append((number, False))
        open_ += [(child, True) for child in reversed(node.children)]
    return "".join(parts)


def _badge(score: float | None) -> str:
    if score is None:
        return "<b>no score</b>"
    return f'<b style="background: hsl({120 * score:.0f} 70% 80%)">{score:.3f}</b>'
