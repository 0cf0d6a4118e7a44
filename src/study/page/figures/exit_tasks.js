// Tasks: how many more items are answered wrongly with a rule than at full depth, and than with its controls.

const TASK_COST = 'disagreement';  // a share, written as one
const studiedTasks = checkpoint => checkpoint.tasks || [];
const taskOf = (trial, task) => (trial.tasks || [])[task] || null;

/** Points of one task, by its number, of some trials: `estimate(result)` is what goes up. */
function taskPoints(trials, task, estimate) {
  return trials.filter(trial => taskOf(trial, task))
    .map(trial => ({...asPoint(taskOf(trial, task).loops_per_token, estimate(taskOf(trial, task))), trial, task}))
    .filter(({x, value}) => isNumber(x) && isNumber(value));
}

const errorMinus = control => result =>
  (result.minus ? (result.minus[control] || {}).error : control === 'full_depth' ? result.minus_full_depth.error : null);

function describeTask({trial, task}) {
  const result = taskOf(trial, task);
  const percentOf = value => level(value, TASK_COST);
  const against = (name, control) =>
    [[`error − ${name}`, differenceWithInterval(errorMinus(control)(result), TASK_COST)]];
  return [trial.rule || `fixed:loops=${trial.loops}`, [
    ['loops/token', number(result.loops_per_token)],
    ['accuracy', `${percentOf(result.accuracy.value)} (${interval(result.accuracy, percentOf)})`],
    ...against('full depth', 'full_depth'),
    ...(result.minus ? [...against('dealt', 'dealt'), ...against('constant depths', 'constants_at_its_loops')] : []),
  ]];
}

function drawTask(parent, checkpoint, {task: name, items, measure}, task) {
  const panels = [
    [`${name}: error over full depth`, 'full_depth', taskPoints(constantsOf(checkpoint), task, errorMinus('full_depth'))],
    ['Minus its own depths, dealt out', 'dealt', []],
    ['Minus constant depths at its loops', 'constants_at_its_loops', []],
  ];
  const {row, width} = appendRow(parent, panels.length, 320, 3);
  for (const [title, control, constants] of visibleRules().length ? panels : panels.slice(0, 1)) {
    drawFronts(row.append('div'), {
      width, height: 330, title, label: `share of ${integer(items)} items (${measure})`, x: 'loops/token, questions and answers',
      cost: TASK_COST, constants, range: state.range === 'all' ? 'all' : 'rules', describe: describeTask,
      lines: constants.length > 0,
      series: visibleRules().map(rule => ({rule, points: taskPoints(pointsOf(checkpoint, rule), task, errorMinus(control))})),
    });
  }
}

function drawTasks(parent) {
  const checkpoint = currentCheckpoint();
  if (!studiedTasks(checkpoint).length) return appendNote(parent, 'No task was asked at this checkpoint.');
  appendConstantsLegend(parent);
  studiedTasks(checkpoint).forEach((studied, task) => drawTask(parent, checkpoint, studied, task));
}

function taskNumbers(checkpoint) {
  const points = visibleRules().map(rule => pointsOf(checkpoint, rule)).flat();
  const count = (task, control) =>
    verdictWords(countVerdicts(points.map(point => taskOf(point, task)).filter(Boolean).map(errorMinus(control))));
  return {
    label: 'Points of all rules shown, by the error, against',
    rows: studiedTasks(checkpoint).map(({task: name}, task) => [
      {group: {name: `dealt depths (${name})`, order: 0}, value: count(task, 'dealt')},
      {group: {name: `constant depths (${name})`, order: 2}, value: count(task, 'constants_at_its_loops')},
    ]).flat(),
  };
}

const tasksFigure = {
  id: 'tasks',
  title: 'Tasks',
  draw: drawTasks,
  shown: () => checkpoints.some(checkpoint => studiedTasks(checkpoint).length > 0),
  axes:
    'Across: loops per token over every pass of the questions and answers. Up, first panel: the share of items answered ' +
    'wrongly minus that of full depth, with 95 % intervals; then the same minus the controls, paired item by item. The cost ' +
    'chosen above changes nothing here.',
  reading:
    'Below 0 a rule answers more items rightly than what it is held against. Dealt depths are drawn, pass by pass, from all ' +
    'those that the rule chose on this task. Items are few beside tokens: most intervals hold 0, which does not say that ' +
    'nothing is lost.',
  numbers: taskNumbers,
};
