// Each rule against its controls, in words and numbers.

const VERDICT_GLYPHS = {better: '▼', worse: '▲', unclear: '○'};

function appendVerdict(parent, estimate) {
  const verdict = verdictOf(estimate);
  parent.append('span').attr('class', `side ${verdict || 'none'}`)
    .text(verdict ? `${VERDICT_GLYPHS[verdict]} ${verdict}` : NONE);
}

/** A glyph for each point, the fewest loops first. */
function appendPointVerdicts(cell, points, control) {
  const estimates = points.map(point => differenceOf(point, control, state.cost));
  const strip = cell.append('span').attr('class', 'strip');
  points.forEach((point, i) => {
    const verdict = verdictOf(estimates[i]);
    const [heading, rows] = describePoint(point);
    const text = `${heading}: ${verdict || 'not comparable'}, ${differenceWithInterval(estimates[i], state.cost)}`;
    strip.append('span').attr('class', `side ${verdict || 'none'}`).attr('role', 'img').attr('aria-label', text)
      .text(verdict ? VERDICT_GLYPHS[verdict] : NONE)
      .on('pointermove pointerdown', () => showTip(heading, rows)).on('pointerleave', hideTip);
  });
}

/** The heading and rows of a tooltip about a point of a rule. */
function describePoint(point) {
  return [point.rule, [
    ['loops/token', number(point.loops_per_token)],
    ...(isNumber(AXES.time.of(point)) ? [['time of full depth', times(AXES.time.of(point))]] : []),
    [COSTS[state.cost].name, level((point[state.cost] || {}).value, state.cost)],
    ['− full depth', differenceWithInterval(differenceOf(point, 'full_depth', state.cost), state.cost)],
    ['− dealt over all', differenceWithInterval(differenceOf(point, 'dealt_over_all', state.cost), state.cost)],
    ['− dealt within units', differenceWithInterval(differenceOf(point, 'dealt_within_units', state.cost), state.cost)],
    ['− constant depths', differenceWithInterval(differenceOf(point, 'constants_at_its_loops', state.cost), state.cost)],
  ]];
}

function heightsOf(checkpoint, cost) {
  return rules.map(rule => (frontOf(checkpoint, rule) || {}).front_minus_constants).map(above => (above || {})[cost]);
}

/** What the fronts say together, in a sentence. */
function summaryOf(checkpoint, cost) {
  const heights = heightsOf(checkpoint, cost);
  const known = heights.filter(height => verdictOf(height)).length;
  if (!known) return 'No rule has two points between the constants, so no front can be held against them.';
  const {better, worse, unclear} = countVerdicts(heights);
  const all = `By ${COSTS[cost].name}, of ${plural(known, 'front')}, ${better} ${better === 1 ? 'lies' : 'lie'} below the ` +
    `constant depths (better), ${worse} above (worse), and ${unclear} ${unclear === 1 ? 'is' : 'are'} unclear.`;
  const points = namedFronts(checkpoint.fronts).map(({front}) => front.points || []).flat();
  const dealt = CONTROLS.slice(0, 2).map(({key}) =>
    verdictWords(countVerdicts(points.map(point => differenceOf(point, key, cost)))));
  return `${all} Of ${plural(points.length, 'point')} held against their own depths dealt out over all tokens: ${dealt[0]}; ` +
    `within units: ${dealt[1]}.`;
}

function buildVerdicts() {
  const section = d3.select('#main').append('section').attr('id', 'verdicts');
  section.append('h2').text('The verdicts');
  section.append('p').attr('class', 'summary');
  section.append('p').attr('class', 'note').text('▼ better than the control, ▲ worse, ○ unclear: the 95 % interval of rule ' +
    'minus control lies below 0, above it, or holds it. A mark is a point of the rule, the fewest loops first; point at it ' +
    'for its numbers.');
  section.append('div').attr('class', 'scroll');
}

function renderVerdicts() {
  const checkpoint = currentCheckpoint();
  d3.select('#verdicts .summary').text(summaryOf(checkpoint, state.cost));
  const holder = d3.select('#verdicts .scroll');
  holder.selectAll('*').remove();
  const table = holder.append('table').attr('class', 'ledger verdicts');
  const heads = ['rule', 'loops/token of its points', `front − constants, ${COSTS[state.cost].unit} (95 %)`, 'its front is',
    'points − constants', '− dealt over all', '− dealt within units'];
  table.append('thead').append('tr').selectAll('th').data(heads).join('th').attr('scope', 'col').text(head => head);
  const body = table.append('tbody');
  for (const rule of visibleRules()) appendVerdictRow(body.append('tr'), checkpoint, rule);
}

function appendVerdictRow(row, checkpoint, rule) {
  const points = pointsOf(checkpoint, rule);
  const height = ((frontOf(checkpoint, rule) || {}).front_minus_constants || {})[state.cost];
  const name = row.append('td');
  appendBadge(name, rule);
  name.append('span').text(rule.name);
  row.append('td').text(loopsRange(points));
  row.append('td').text(differenceWithInterval(height, state.cost));
  appendVerdict(row.append('td'), height);
  for (const control of ['constants_at_its_loops', 'dealt_over_all', 'dealt_within_units']) {
    appendPointVerdicts(row.append('td'), points, control);
  }
}
