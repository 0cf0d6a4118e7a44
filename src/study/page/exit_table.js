// All numbers of a checkpoint, a row a trial; a click on a head sorts by it.

const estimateValue = (trial, cost) => (trial[cost] || {}).value;
const levelColumn = cost => ({
  head: `${COSTS[cost].name} (95 %)`,
  value: trial => estimateValue(trial, cost),
  text: trial => {
    const value = estimateValue(trial, cost);
    return isNumber(value) ? `${level(value, cost)} (${interval(trial[cost], end => level(end, cost))})` : NONE;
  },
});
const differenceColumn = (control, head) => ({
  head: `− ${head}`,
  value: trial => (differenceOf(trial, control, state.cost) || {}).value,
  text: trial => differenceWithInterval(differenceOf(trial, control, state.cost), state.cost),
});

const accuracyColumn = (name, task) => {
  const of = trial => ((trial.tasks || [])[task] || {}).accuracy;
  return {
    head: `accuracy, ${name} (95 %)`,
    value: trial => (of(trial) || {}).value,
    text: trial =>
      (of(trial) ? `${level(of(trial).value, 'disagreement')} (${interval(of(trial), end => level(end, 'disagreement'))})` : NONE),
  };
};

const TABLE_COLUMNS = [
  {head: 'trial', value: trial => trial.title, text: trial => trial.title},
  {head: 'loops/token', value: AXES.loops.of, text: trial => number(trial.loops_per_token, 4)},
  {head: 'layer runs/token', value: AXES.layer_runs.of, text: trial => number(trial.layer_runs_per_token, 4)},
  {head: 'ms/token', value: trial => (trial.time || {}).milliseconds_per_token,
    text: trial => number((trial.time || {}).milliseconds_per_token)},
  {head: 'time of full depth', value: AXES.time.of, text: trial => times(AXES.time.of(trial))},
  ...Object.keys(COSTS).map(levelColumn),
  differenceColumn('dealt_over_all', 'dealt over all'),
  differenceColumn('dealt_within_units', 'dealt within units'),
  differenceColumn('constants_at_its_loops', 'constants at its loops'),
  differenceColumn('best_constant', 'best constant'),
  differenceColumn('full_depth', 'full depth'),
  ...((checkpoints[0] || {}).tasks || []).map(({task}, number) => accuracyColumn(task, number)),
];

/** Constants, the points of the visible rules, oracles: each with a title and the series it belongs to. */
function trialsOf(checkpoint) {
  const best = bestConstant(checkpoint);
  const note = constant => {
    const words = [constant === best && 'best', constant === fullDepth(checkpoint) && 'full depth'].filter(Boolean);
    return words.length ? ` (${words.join(', ')})` : '';
  };
  return [
    ...constantsOf(checkpoint).map(constant =>
      ({...constant, title: `fixed:loops=${constant.loops}${note(constant)}`, series: null})),
    ...visibleRules().map(rule => pointsOf(checkpoint, rule).map(point => ({...point, title: point.rule, series: rule}))).flat(),
    ...(checkpoint.oracles || []).map(oracle => ({...oracle, title: `oracle ${oracle.name}`, series: null})),
  ];
}

/** Rows in the order of a column; those without a value there come last, and equal ones stay as they were. */
function sortedBy(rows, value, descending) {
  const known = row => value(row) !== null && value(row) !== undefined && !Number.isNaN(value(row));
  const order = (a, b) => (descending ? d3.descending : d3.ascending)(value(a), value(b));
  return [...rows.filter(known).sort(order), ...rows.filter(row => !known(row))];
}

function buildTable() {
  const section = d3.select('#main').append('section').attr('id', 'numbers');
  section.append('h2').text('The numbers');
  const details = section.append('details').attr('open', true);
  details.append('summary').text('Every trial at the selected checkpoint; differences are of the selected cost');
  details.append('div').attr('class', 'scroll').append('table').attr('class', 'ledger');
  section.append('p').attr('class', 'note').text('Cross-entropy and KL in nats/token, disagreement in percent of the tokens, ' +
    'its differences in points of percent (pp). The .json and .csv beside this page hold all costs unrounded.');
}

function sortTable(column) {
  const again = state.sorted && state.sorted.column === column;
  state.sorted = again && state.sorted.descending ? null : {column, descending: Boolean(again)};
  renderTable();
}

function renderTable() {
  const table = d3.select('#numbers table');
  const focused = [...table.node().querySelectorAll('button')].indexOf(document.activeElement);
  table.selectAll('*').remove();
  const {column, descending} = state.sorted || {};
  const heads = table.append('thead').append('tr').selectAll('th').data(TABLE_COLUMNS).join('th').attr('scope', 'col')
    .attr('aria-sort', (entry, i) => (i !== column ? 'none' : descending ? 'descending' : 'ascending'));
  heads.append('button').attr('type', 'button').attr('class', 'sort')
    .text((entry, i) => entry.head + (i !== column ? '' : descending ? ' ↓' : ' ↑')).on('click', (entry, i) => sortTable(i));
  const trials = trialsOf(currentCheckpoint());
  const rows = table.append('tbody').selectAll('tr')
    .data(state.sorted ? sortedBy(trials, TABLE_COLUMNS[column].value, descending) : trials).join('tr');
  rows.each(function (trial) {
    const row = d3.select(this);
    TABLE_COLUMNS.forEach(({text}, i) => {
      const cell = row.append('td');
      if (i === 0) appendBadge(cell, trial.series);
      cell.append('span').text(text(trial));
    });
  });
  if (focused >= 0) table.node().querySelectorAll('button')[focused].focus();
}
