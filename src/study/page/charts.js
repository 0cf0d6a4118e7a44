// What any page of measurements draws with: the look of a series, a tooltip, scales, axes, lines with bands, references.
// A series is {name, order}: its order gives its colour and its symbol; null is a series without either.

const PALETTE_SIZE = 7;
const SYMBOLS = [
  d3.symbolCircle, d3.symbolSquare, d3.symbolTriangle, d3.symbolDiamond, d3.symbolCross, d3.symbolStar, d3.symbolWye,
];
const MAX_POINTS_WITH_MARKS = 32;

const seriesColour = series => (series ? `var(--g${series.order % PALETTE_SIZE})` : 'var(--once)');

/** A line that shares its colour with another is broken in another way. */
const DASHES = [null, '9 3', '2 3'];
const seriesDash = series => (series ? DASHES[Math.floor(series.order / PALETTE_SIZE) % DASHES.length] : null);

/** With as many symbols as colours, a series that shares its colour with another has another symbol. */
function seriesSymbol(series, size = 46) {
  const shift = series ? series.order + Math.floor(series.order / PALETTE_SIZE) : 0;
  return d3.symbol().type(SYMBOLS[shift % SYMBOLS.length]).size(size)();
}

/** A small drawing of the symbol of a series, for buttons and tables. */
function appendBadge(parent, series) {
  parent.append('svg').attr('width', 13).attr('height', 13).attr('viewBox', '-6.5 -6.5 13 13')
    .attr('aria-hidden', 'true').style('display', 'inline-block').style('margin-right', '5px')
    .append('path').attr('d', seriesSymbol(series)).attr('fill', seriesColour(series));
}

const theTip = () => d3.select('#tip');

/** Shows a heading and rows of [label, value] beside the pointer. */
function showTip(heading, rows) {
  const tip = theTip();
  tip.selectAll('*').remove();
  tip.append('b').text(heading);
  for (const [label, value] of rows) {
    const line = tip.append('div');
    line.append('span').text(label);
    line.append('span').text(value);
  }
  const {clientX, clientY} = d3.event;
  const box = tip.node().getBoundingClientRect();
  const fitsRight = clientX + 16 + box.width < window.innerWidth;
  const left = fitsRight ? clientX + 16 : Math.max(4, clientX - 16 - box.width);
  const top = Math.max(4, Math.min(clientY + 14, window.innerHeight - box.height - 4));
  tip.style('left', left + 'px').style('top', top + 'px').style('visibility', 'visible');
}

function hideTip() {
  theTip().style('visibility', 'hidden');
}

function logDomain(values) {
  const positive = values.filter(value => isNumber(value) && value > 0);
  if (!positive.length) return null;
  return [d3.min(positive) * 0.8, d3.max(positive) * 1.25];
}

function linearDomain(values, {floor = null} = {}) {
  const finite = values.filter(isNumber);
  if (!finite.length) return null;
  const [low, high] = d3.extent(finite);
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return [floor === null ? low - margin : Math.min(floor, low), high + margin];
}

/** Decades if there are enough of them, else 1-2-5, else every digit, else evenly spaced values. */
function logTicks([low, high]) {
  const decades = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
  for (const digits of [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 8]]) {
    const ticks = decades.map(exponent => digits.map(digit => Number(`${digit}e${exponent}`))).flat()
      .filter(tick => tick >= low && tick <= high);
    if (ticks.length >= 3) {
      const stride = Math.ceil(ticks.length / 7);
      return ticks.filter((tick, i) => i % stride === 0);
    }
  }
  return d3.ticks(low, high, 4);
}

function valueScale(kind, domain, pixels) {
  return (kind === 'log' ? d3.scaleLog() : d3.scaleLinear()).domain(domain).range(pixels).clamp(true);
}

function valueTicks(kind, domain) {
  return kind === 'log' ? logTicks(domain) : d3.ticks(domain[0], domain[1], 5);
}

/** Whole numbers from low to high: all of them if the width allows, else round ones. */
function loopTicks(low, high, pixels) {
  const fitting = Math.max(2, Math.floor(pixels / 24));
  return high - low < fitting ? d3.range(low, high + 1) : d3.ticks(low, high, 0.6 * fitting).filter(Number.isInteger);
}

/** Appends a grid for `count` equally wide cells; returns it with the width of a cell. */
function appendRow(parent, count, minimum = 290, maximumColumns = 4) {
  const available = parent.node().clientWidth;
  const gap = 18;
  const fitting = Math.max(1, Math.floor((available + gap) / (minimum + gap)));
  const columns = Math.max(1, Math.min(count, fitting, maximumColumns));
  const row = parent.append('div').attr('class', 'row')
    .style('grid-template-columns', `repeat(${columns}, minmax(0, 1fr))`);
  return {row, width: Math.floor((available - gap * (columns - 1)) / columns)};
}

/**
 * An empty plot: title, quantity on the y axis, grid, axes. `x` is {kind, domain, ticks, format, label}; `y` is
 * {kind, domain, tickFormat, label}. A kind is "linear" or "log".
 */
function appendFrame(parent, {width, height = 270, title, series, x, y}) {
  const margin = {top: 54, right: 10, bottom: 40, left: 52};
  const inner = {width: width - margin.left - margin.right, height: height - margin.top - margin.bottom};
  const svg = parent.append('svg').attr('width', width).attr('height', height)
    .attr('role', 'img').attr('aria-label', `${title}: ${y.label}`);
  appendFrameTitle(svg, title, series, y.label);
  const plot = svg.append('g').attr('transform', `translate(${margin.left},${margin.top})`);
  const frame = {
    plot, inner, kind: y.kind,
    x: valueScale(x.kind, x.domain, [0, inner.width]),
    y: valueScale(y.kind, y.domain, [inner.height, 0]),
  };
  appendYAxis(frame, y);
  appendXAxis(frame, x);
  return frame;
}

let clips = 0;

/** The same frame for data that may leave it: what lies outside is cut off, where it would stick to the edge. */
function clippedFrame({plot, inner, kind, x, y}) {
  const id = `clip-${++clips}`;
  const room = 7;  // for marks on the edge
  plot.append('clipPath').attr('id', id).append('rect').attr('x', -room).attr('y', -room)
    .attr('width', inner.width + 2 * room).attr('height', inner.height + 2 * room);
  const inside = plot.append('g').attr('clip-path', `url(#${id})`);
  return {plot: inside, inner, kind, x: x.copy().clamp(false), y: y.copy().clamp(false)};
}

function appendFrameTitle(svg, title, series, label) {
  if (series) {
    svg.append('path').attr('d', seriesSymbol(series, 60)).attr('fill', seriesColour(series))
      .attr('transform', 'translate(7,11)');
  }
  svg.append('text').attr('class', 'title').attr('x', series ? 20 : 0).attr('y', 16).text(title);
  svg.append('text').attr('class', 'quiet').attr('y', 35).text(label);
}

function appendYAxis({plot, inner, y: scale}, {kind, domain, tickFormat = tickNumber}) {
  const ticks = valueTicks(kind, domain);
  plot.append('g').attr('class', 'grid').selectAll('line').data(ticks).join('line')
    .attr('x2', inner.width).attr('y1', scale).attr('y2', scale);
  plot.append('g').call(d3.axisLeft(scale).tickValues(ticks).tickFormat(tickFormat).tickSize(0).tickPadding(7))
    .call(axis => axis.select('.domain').remove());
}

function appendXAxis({plot, inner, x: scale}, {ticks, format = integer, label}) {
  plot.append('g').attr('transform', `translate(0,${inner.height})`)
    .call(d3.axisBottom(scale).tickValues(ticks).tickFormat(tick => format(tick)).tickSize(4).tickPadding(5));
  plot.append('text').attr('class', 'quiet').attr('x', inner.width).attr('y', inner.height + 36)
    .attr('text-anchor', 'end').text(label);
}

/** A horizontal line at a value worth comparing with. To be drawn before the data, which may then cover its label. */
function appendReference({plot, y, inner}, value, label, {solid = false} = {}) {
  const [low, high] = y.domain();
  if (value < low || value > high) return;
  plot.append('line').attr('class', solid ? 'reference solid' : 'reference')
    .attr('x2', inner.width).attr('y1', y(value)).attr('y2', y(value));
  plot.append('text').attr('class', 'quiet').attr('x', 4).attr('y', y(value) - 5).text(label);
}

/** A grey band between two values worth comparing with. To be drawn before the data as well. */
function appendRange({plot, inner, y}, [low, high], label) {
  plot.append('rect').attr('class', 'compared-range').attr('width', inner.width).attr('y', y(high))
    .attr('height', y(low) - y(high));
  plot.append('text').attr('class', 'quiet').attr('x', 4).attr('y', y(high) - 4).text(label);
}

/** Draws band, median line and marks of `points`: [{x, value, low, high}]. */
function appendSeries({plot, kind, x, y}, series, points) {
  const usable = value => isNumber(value) && (kind !== 'log' || value > 0);
  const colour = seriesColour(series);
  const band = d3.area().defined(point => usable(point.low) && usable(point.high))
    .x(point => x(point.x)).y0(point => y(point.low)).y1(point => y(point.high));
  const line = d3.line().defined(point => usable(point.value)).x(point => x(point.x)).y(point => y(point.value));
  const shown = points.filter(point => usable(point.value));
  plot.append('path').attr('class', 'band').attr('fill', colour).attr('d', band(points));
  plot.append('path').attr('class', 'line').attr('stroke', colour).attr('stroke-dasharray', seriesDash(series))
    .attr('d', line(points));
  if (shown.length <= MAX_POINTS_WITH_MARKS) {
    plot.append('g').selectAll('path').data(shown).join('path').attr('class', 'mark').attr('fill', colour)
      .attr('d', seriesSymbol(series))
      .attr('transform', point => `translate(${x(point.x)},${y(point.value)})`);
  }
}

/**
 * Marks with whiskers at `points`: [{x, value, low, high, xLow, xHigh}], the interval of either coordinate where it is
 * known. `describe(point)` gives the [heading, rows] of a tooltip.
 */
function appendIntervals({plot, kind, x, y}, series, points, describe) {
  const usable = value => isNumber(value) && (kind !== 'log' || value > 0);
  const marks = plot.append('g').selectAll('g').data(points.filter(point => isNumber(point.x) && usable(point.value)))
    .join('g').attr('class', 'interval');
  const whisker = (shown, x1, x2, y1, y2) => marks.filter(shown).append('line').attr('class', 'whisker')
    .attr('stroke', seriesColour(series)).attr('x1', x1).attr('x2', x2).attr('y1', y1).attr('y2', y2);
  const [across, up] = [point => x(point.x), point => y(point.value)];
  whisker(point => usable(point.low) && usable(point.high), across, across, point => y(point.low), point => y(point.high));
  whisker(point => isNumber(point.xLow) && isNumber(point.xHigh), point => x(point.xLow), point => x(point.xHigh), up, up);
  marks.append('path').attr('class', 'mark').attr('fill', seriesColour(series)).attr('d', seriesSymbol(series))
    .attr('transform', point => `translate(${across(point)},${up(point)})`);
  if (describe) marks.on('pointermove pointerdown', point => showTip(...describe(point))).on('pointerleave', hideTip);
}

/** The symbols and names of several series in a row. */
function appendLegend(parent, seriesList) {
  const entries = parent.append('p').attr('class', 'legend').selectAll('span').data(seriesList).join('span');
  entries.each(function (series) {
    appendBadge(d3.select(this), series);
  });
  entries.append('span').text(series => series.name);
}

/** Shows a cursor and a tooltip at the position nearest to the pointer. `describe(position)` gives [heading, rows]. */
function attachHover({plot, inner, x}, positions, describe) {
  const cursor = plot.append('line').attr('class', 'cursor').attr('y2', inner.height).attr('visibility', 'hidden');
  const leave = () => {
    cursor.attr('visibility', 'hidden');
    hideTip();
  };
  const move = function () {
    const wanted = x.invert(d3.mouse(this)[0]);
    const position = positions[d3.scan(positions, (a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))];
    if (position === undefined) return;
    cursor.attr('x1', x(position)).attr('x2', x(position)).attr('visibility', 'visible');
    showTip(...describe(position));
  };
  plot.append('rect').attr('class', 'hit').attr('width', inner.width).attr('height', inner.height)
    .on('pointermove pointerdown', move).on('pointerleave pointercancel', leave);
}

/** Draws again when the width changes, so that text keeps its size. */
function drawOnResize(draw) {
  let width = window.innerWidth;
  let timer = null;
  window.addEventListener('resize', () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(timer);
    timer = setTimeout(draw, 120);
  });
}
