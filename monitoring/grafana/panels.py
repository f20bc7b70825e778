"""The few kinds of panels that our dashboards are made of, and the dashboard around them."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import bargauge, heatmap, stat, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, StackingConfig, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode, VizOrientation
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
# Of the gateways that the dashboard is to show.
JOB = 'job=~"$job"'
RATE = "[$__rate_interval]"

Panel = timeseries.Panel | stat.Panel | bargauge.Panel | heatmap.Panel


@dataclass(frozen=True)
class Line:
    """A query, and what each of its series is called."""

    expr: str
    legend: str = ""


def lines(title: str, *queries: Line, unit: str = "short", about: str = "", stacked: bool = False) -> timeseries.Panel:
    """Series over time."""
    panel = timeseries.Panel().title(title).description(about).unit(unit).min(0).line_width(1).fill_opacity(8)
    panel.legend(
        VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    )
    if stacked:
        panel.stacking(StackingConfig().mode(StackingMode.NORMAL))
    return _asked(panel, queries).span(8).height(8)


def number(title: str, expr: str, unit: str = "short", about: str = "", red_from: float | None = None) -> stat.Panel:
    """One number, the last. Without thresholds of its own Grafana would paint all above 80 red."""
    panel = stat.Panel().title(title).description(about).unit(unit)
    steps = [Threshold(value=None, color="green")]
    steps += [Threshold(value=red_from, color="red")] if red_from is not None else []
    panel.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    return _asked(panel, [Line(expr)]).span(4).height(4)


def bars(title: str, expr: str, legend: str, unit: str = "short", about: str = "") -> bargauge.Panel:
    """A bar for each series, as things stand now."""
    panel = bargauge.Panel().title(title).description(about).unit(unit).orientation(VizOrientation.HORIZONTAL)
    panel.datasource(SOURCE).reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    panel.with_target(Dataquery().expr(expr).instant().legend_format(legend).ref_id("A").datasource(SOURCE))
    return panel.span(8).height(8)


def distribution(title: str, histogram: str, where: str = JOB, about: str = "") -> heatmap.Panel:
    """How a histogram's values are spread, over time."""
    expr = f"sum by (le) (increase({histogram}_bucket{{{where}}}{RATE}))"
    panel = heatmap.Panel().title(title).description(about).datasource(SOURCE).span(8).height(8)
    query = Dataquery().expr(expr).range().legend_format("{{le}}").format(PromQueryFormat.HEATMAP).ref_id("A")
    return panel.with_target(query.datasource(SOURCE))


def quantiles(histogram: str, where: str = JOB, by: str = "") -> list[Line]:
    """The middle, the slow and the slowest."""
    labels, legend = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    return [
        Line(
            f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{{{where}}}{RATE})))",
            f"{legend}p{share * 100:g}",
        )
        for share in (0.5, 0.95, 0.99)
    ]


def dashboard(uid: str, title: str, about: str, rows: Sequence[tuple[str, Sequence[Panel]]]) -> Dashboard:
    """`rows` are titles and their panels, which flow from left to right."""
    board = Dashboard(f"stepreward / {title}").uid(f"stepreward-{uid}").description(about).tags(["stepreward"])
    board.refresh("30s").time("now-3h", "now").timezone("browser").readonly().tooltip(DashboardCursorSync.CROSSHAIR)
    board.with_variable(DatasourceVariable("source").label("Prometheus").type("prometheus"))
    board.with_variable(_choice("job", "Service", "label_values(stepreward_build_info, job)"))
    board.with_variable(_choice("run", "Run", "label_values(stepreward_solution_score_count, run)"))
    for name, panels in rows:
        board.with_row(Row(name))
        for panel in panels:
            board.with_panel(panel)
    return board


def _asked(panel: timeseries.Panel | stat.Panel, queries: Sequence[Line]) -> timeseries.Panel | stat.Panel:
    panel.datasource(SOURCE)
    for position, line in enumerate(queries):
        query = Dataquery().expr(line.expr).range().legend_format(line.legend).ref_id(chr(ord("A") + position))
        panel.with_target(query.datasource(SOURCE))
    return panel


def _choice(name: str, label: str, query: str) -> QueryVariable:
    variable = QueryVariable(name).label(label).datasource(SOURCE).query(query)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).include_all(True).multi(True).all_value(".*")
