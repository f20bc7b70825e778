// A dashboard of ours on a page, by Grafana's own components: its grid, frames, series, numbers, bars and colours.
//
// Heatmaps alone are drawn here, on Grafana's chart: the panel that draws them is in no package of Grafana's.
// `window.board` is what `monitoring/grafana/pictures/__main__.py` has put there.

import {
  applyFieldOverrides, createTheme, dateTime, EventBusSrv, FieldColorModeId, FieldType, getFieldDisplayValues, ThemeContext,
} from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation, VizOrientation } from '@grafana/schema';
import {
  BarGauge, BigValue, GlobalStyles, PanelChrome, PanelContextProvider, TimeSeries, UPlotChart, UPlotConfigBuilder,
  VizRepeater,
} from '@grafana/ui';
import { interpolateOranges } from 'd3-scale-chromatic';
import { createRoot } from 'react-dom/client';

const COLUMN_PX = 1600 / 24;
const ROW_PX = 38;
const GAP_PX = 8;
const theme = createTheme({ colors: { mode: 'dark' } });
const context = { eventsScope: 'global', eventBus: new EventBusSrv() };
const timeZone = 'utc';
const { board, answers, from, to } = window.board;
const timeRange = { from: dateTime(from * 1000), to: dateTime(to * 1000), raw: { from: 'now', to: 'now' } };

const SERIES = {
  drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none',
  showPoints: 'auto', pointSize: 5, spanNulls: false, axisPlacement: 'auto', axisLabel: '', axisBorderShow: false,
  scaleDistribution: { type: 'linear' }, stacking: { mode: 'none', group: 'A' },
  hideFrom: { legend: false, tooltip: false, viz: false }, thresholdsStyle: { mode: 'off' },
};
const THRESHOLDS = { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }, { value: 80, color: 'red' }] };

// One frame for each series, as Grafana's Prometheus source makes them.
function frames(panel) {
  const { custom, ...defaults } = panel.fieldConfig?.defaults ?? {};
  const mode = panel.type === 'timeseries' ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds;
  const config = { color: { mode }, thresholds: THRESHOLDS, ...defaults, custom: { ...SERIES, ...custom } };
  const data = answers[panel.title].map(({ name, labels, points, refId }) => ({
    refId, length: points.length,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: points.map(([second]) => second * 1000) },
      { name: 'Value', type: FieldType.number, labels, config: { ...config, displayNameFromDS: name },
        values: points.map(([, value]) => value) },
    ],
  }));
  return applyFieldOverrides({
    data, fieldConfig: { defaults: {}, overrides: [] }, replaceVariables: (text) => text, theme, timeZone,
  });
}

function Series({ panel, width, height }) {
  return (
    <TimeSeries frames={frames(panel)} width={width} height={height} timeRange={timeRange} timeZone={timeZone}
      legend={panel.options.legend} options={panel.options} />
  );
}

function values(panel) {
  return getFieldDisplayValues({
    fieldConfig: { defaults: {}, overrides: [] }, reduceOptions: { values: false, ...panel.options.reduceOptions },
    replaceVariables: (text) => text, theme, data: frames(panel), sparkline: panel.options.graphMode === 'area', timeZone,
  });
}

function Numbers({ panel, width, height }) {
  const render = ({ value, width, height }) => (
    <BigValue value={{ ...value.display, title: undefined }} sparkline={value.sparkline} theme={theme} width={width}
      height={height} colorMode={panel.options.colorMode} graphMode={panel.options.graphMode}
      justifyMode={panel.options.justifyMode} textMode="value" />
  );
  return repeated(panel, width, height, VizOrientation.Auto, render);
}

function Bars({ panel, width, height }) {
  const { orientation, displayMode, showUnfilled, valueMode } = panel.options;
  const render = ({ value, width, height, orientation }) => (
    <BarGauge value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex)}
      theme={theme} width={width} height={height} orientation={orientation} displayMode={displayMode}
      showUnfilled={showUnfilled} valueDisplayMode={valueMode} itemSpacing={8} />
  );
  return repeated(panel, width, height, orientation, render);
}

function repeated(panel, width, height, orientation, render) {
  return (
    <VizRepeater getValues={() => values(panel)} renderValue={render} width={width} height={height} source={values}
      itemSpacing={8} renderCounter={0} autoGrid orientation={orientation} />
  );
}

// A cell for each time and bucket: how much of the histogram came into it.
function cells(panel) {
  const upTo = answers[panel.title].map(({ labels, points }) => ({ label: labels.le, points: new Map(points) }));
  upTo.sort((one, other) => bound(one) - bound(other));
  return upTo.map(({ label, points }, row) => ({
    label,
    counts: new Map([...points].map(([second, count]) => [second, count - (upTo[row - 1]?.points.get(second) ?? 0)])),
  }));
}

function bound({ label }) {
  return label === '+Inf' ? Infinity : Number(label);
}

function Heatmap({ panel, width, height }) {
  const rows = cells(panel);
  const times = [...new Set(rows.flatMap(({ counts }) => [...counts.keys()]))].sort((one, other) => one - other);
  const most = Math.max(...rows.flatMap(({ counts }) => [...counts.values()]));
  const step = times.length > 1 ? Math.min(...times.slice(1).map((time, before) => time - times[before])) : 1;
  const builder = new UPlotConfigBuilder(timeZone);
  builder.addScale({
    scaleKey: 'x', isTime: true, orientation: ScaleOrientation.Horizontal, direction: ScaleDirection.Right,
    range: () => [from * 1000, to * 1000],
  });
  builder.addScale({
    scaleKey: 'y', orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Up, range: () => [0, rows.length],
  });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone, theme, grid: { show: false } });
  builder.addAxis({
    scaleKey: 'y', placement: AxisPlacement.Left, theme, splits: () => rows.map((_, row) => row + 1),
    values: () => rows.map(({ label }, row) => (rows.length > 12 && row % 2 ? '' : label)), grid: { show: false },
  });
  builder.addSeries({ scaleKey: 'y', theme, pathBuilder: () => null, show: true });
  builder.addHook('draw', (chart) => {
    const columns = [step * 1000, 0].map((wide) => chart.valToPos(from * 1000 + wide, 'x', true));
    const wide = Math.max(columns[0] - columns[1], 1);
    rows.forEach(({ counts }, row) => {
      const [top, bottom] = [row + 1, row].map((edge) => chart.valToPos(edge, 'y', true));
      for (const [second, count] of counts) {
        if (count < 1e-9) continue;
        chart.ctx.fillStyle = interpolateOranges(1 - Math.sqrt(count / most));
        chart.ctx.fillRect(chart.valToPos(second * 1000, 'x', true) - wide, top, wide, bottom - top - 1);
      }
    });
  });
  const data = [times.map((second) => second * 1000), times.map(() => 0)];
  return <UPlotChart data={data} width={width} height={height} config={builder} />;
}

const KINDS = { timeseries: Series, stat: Numbers, bargauge: Bars, heatmap: Heatmap };

function place({ x, y, w, h }) {
  return {
    position: 'absolute', left: x * COLUMN_PX, top: y * ROW_PX, width: w * COLUMN_PX - GAP_PX, height: h * ROW_PX - GAP_PX,
  };
}

function Panel({ panel }) {
  const box = place(panel.gridPos);
  if (panel.type === 'row') {
    return <div style={{ ...box, color: theme.colors.text.primary, fontWeight: 500, paddingTop: 6 }}>⌄ {panel.title}</div>;
  }
  const Kind = KINDS[panel.type];
  return (
    <div style={box}>
      <PanelChrome title={panel.title} width={box.width} height={box.height}>
        {(width, height) => <Kind panel={panel} width={width} height={height} />}
      </PanelChrome>
    </div>
  );
}

function Board() {
  const bottom = Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <PanelContextProvider value={context}>
        <h1 style={{ fontSize: 18, margin: '0 0 8px' }}>{board.title}</h1>
        <div style={{ position: 'relative', height: bottom * ROW_PX }}>
          {board.panels.map((panel) => <Panel key={panel.title} panel={panel} />)}
        </div>
      </PanelContextProvider>
    </ThemeContext.Provider>
  );
}

createRoot(document.getElementById('board')).render(<Board />);
