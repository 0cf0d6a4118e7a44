// The parts of a page of figures: the stack of groups, what the results depend on, the choice of a checkpoint, a section
// a figure.

/**
 * Boxes between tokens and logits, one a group: {name, layers, loops, specified, series}. The series is null where a
 * group does not loop; `specified` is the count of loops of the model where another one was run.
 */
function buildStack(groups) {
  const stack = d3.select('#stack');
  const arrow = () => stack.append('span').attr('class', 'arrow').attr('aria-hidden', 'true').text('→');
  stack.selectAll('*').remove();
  stack.append('span').attr('class', 'end').text('tokens');
  for (const group of groups) {
    arrow();
    appendBox(stack, group);
  }
  arrow();
  stack.append('span').attr('class', 'end').text('logits');
  const passes = d3.sum(groups, group => (group.layers || 0) * (group.loops || 0));
  const layers = d3.sum(groups, group => group.layers || 0);
  d3.select('#stack-note')
    .text(`${plural(layers, 'layer')} with weights of their own, ${integer(passes)} layer passes per token. ` +
    'Coloured boxes are looped: their layers are applied again and again to their own output.');
}

function appendBox(stack, {name, layers, loops, specified, series}) {
  const box = stack.append('div').attr('class', series ? 'box looped' : 'box');
  if (series) box.style('border-color', seriesColour(series));
  const heading = box.append('b');
  if (series) appendBadge(heading, series);
  heading.append('i').text(name);
  box.append('span').text(`${plural(layers, 'layer')} × ${plural(loops, 'loop')}`);
  if (isNumber(specified) && specified !== loops) box.append('span').text(`specified: ${plural(specified, 'loop')}`);
}

/** [label, value] each; what there is no value for is a dash. */
function renderFacts(facts) {
  const entries = d3.select('#facts').selectAll('div').data(facts).join('div');
  entries.selectAll('*').remove();
  entries.append('dt').text(([label]) => label);
  entries.append('dd').text(([, value]) => (value === null || value === undefined || value === '' ? NONE : value));
}

function buildCheckpointControl(count, selected, choose) {
  d3.select('#checkpoint-control').style('display', count > 1 ? null : 'none');
  d3.select('#checkpoint').attr('max', count - 1).property('value', selected).on('input', function () {
    choose(Number(this.value));
  });
}

/** Buttons of which one is pressed: `choices` are [value, label]. */
function appendChoice(parent, label, choices, chosen, choose) {
  const group = parent.append('span').attr('class', 'toggles').attr('role', 'group').attr('aria-label', label);
  group.append('span').text(label);
  group.selectAll('button').data(choices).join('button').attr('type', 'button')
    .attr('aria-pressed', ([value]) => value === chosen).text(([, text]) => text).on('click', ([value]) => choose(value));
}

/** An empty section for each {id, title}; render it with renderFigure. */
function buildFigures(figures) {
  figures.forEach((figure, i) => {
    const section = d3.select('#main').append('section').attr('id', figure.id);
    section.append('h2').text(`${i + 1}. ${figure.title}`);
    section.append('div').attr('class', 'controls');
    section.append('div').attr('class', 'plot');
    section.append('div').attr('class', 'caption');
  });
}

/** Draws a figure {id, draw, controls} anew, and its caption with `fillCaption(parent, figure)`. */
function renderFigure(figure, fillCaption) {
  const section = d3.select('#' + figure.id);
  const [controls, plot, caption] = ['.controls', '.plot', '.caption'].map(part => section.select(part));
  plot.style('min-height', plot.node().clientHeight + 'px');  // Keeps the scroll position while the plot is replaced.
  for (const part of [plot, caption]) part.selectAll('*').remove();
  if (figure.controls) renderControls(controls, figure.controls);
  figure.draw(plot);
  plot.style('min-height', null);
  fillCaption(caption, figure);
}
