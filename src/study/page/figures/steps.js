// How far each loop moves the state.

function drawSteps(parent) {
  const quantity = state.relativeStep ? 'relative_step' : 'step';
  drawLoopPanels(parent, {
    quantity, kind: 'log', domain: logDomain(allValues(quantity)),
    label: state.relativeStep ?
      'relative step ‖Δ‖ / ‖x‖ (no unit, log)' :
      'step norm ‖Δ‖ (L2, units of the state, log)',
  });
}

function stepToggle(parent) {
  const choices = [['relative ‖Δ‖ / ‖x‖', true], ['absolute ‖Δ‖', false]];
  for (const [label, relative] of choices) {
    parent.append('button').attr('type', 'button').attr('aria-pressed', state.relativeStep === relative).text(label)
      .on('click', () => {
        state.relativeStep = relative;
        render();
      });
  }
}

function stepNumbers(checkpoint) {
  return perGroup('Median relative step, first → last loop', group => {
    const steps = middles(checkpoint, group, 'relative_step');
    return steps.length > 1 ? `${arrow(steps[0], last(steps))} (${times(last(steps) / steps[0])})` : null;
  });
}

const stepsFigure = {
  id: 'steps',
  title: 'How far each loop moves the state',
  finding: 'steps_shrink',
  draw: drawSteps,
  numbers: stepNumbers,
  controls: stepToggle,
  axes:
    `${PER_LOOP_AXES} Up, logarithmic: the length of the step, as a share of the length of the state or in ` +
    'its own units. Line: median over tokens; band: p10 to p90.',
  paper: 'Inside a looped block the steps shrink within 5 to 10 loops.',
};
