// The answers, side by side where two rules are compared: text, what it cost, and how deep its tokens went.

const SIDES = ['A', 'B'];

/** An empty pane: what to do. */
function appendEmptyState(pane) {
  const empty = pane.append('div').attr('class', 'empty');
  empty.append('p').attr('class', 'empty-title').text('Nothing is generated yet');
  const steps = empty.append('ol');
  steps.append('li').text('Write how a text begins, or a message if the model can chat.');
  steps.append('li').text('Choose an exit rule, and with the slider how early tokens may leave the loops.');
  steps.append('li').text('Press Generate. Each token is coloured by the loops it ran; choose one to see its path.');
}

function fillPane(pane, side, compared) {
  const head = pane.append('header').attr('class', 'pane-head');
  if (compared) head.append('span').attr('class', 'side-name').text(SIDES[side]);
  head.append('span').attr('class', 'pane-rule');
  pane.append('dl').attr('class', 'stats');
  pane.append('div').attr('class', 'log');
  pane.append('p').attr('class', 'note pane-end');
  pane.append('div').attr('class', 'depths');
}

/** Makes the panes anew and returns them. */
function buildPanes(parent, count) {
  parent.selectAll('*').remove();
  parent.classed('two', count > 1);
  return d3.range(count).map(side => {
    const pane = parent.append('section').attr('class', 'pane')
      .attr('aria-label', count > 1 ? `Answer ${SIDES[side]}` : 'Answer');
    fillPane(pane, side, count > 1);
    return pane;
  });
}

/** A turn's place in a pane; returns the list its tokens go to. */
function appendTurn(pane, prompt, mode, choose) {
  pane.select('.empty').remove();
  const log = pane.select('.log');
  const turn = log.append('div').attr('class', `turn ${mode}`);
  const said = turn.append(mode === 'chat' ? 'p' : 'span').attr('class', 'prompt');
  if (mode === 'chat') said.append('b').text('You');
  said.append('span').text(prompt);
  const answer = turn.append(mode === 'chat' ? 'div' : 'span').attr('class', 'answer');
  if (mode === 'chat') answer.append('b').text('Model');
  const list = answer.append('span').attr('class', 'tokens').attr('role', 'listbox')
    .attr('aria-label', 'Tokens of the answer').attr('aria-orientation', 'horizontal');
  listenToTokens(list, choose);
  return list;
}

/** The lines of statistics: what, value, unit or remark. */
function statisticsRows(numbers) {
  const rows = [
    ['Tokens', integer(numbers.tokens), ''], ['Speed', number(numbers.perSecond), 'tokens/s'],
    ['First token', number(numbers.firstToken), 'ms'],
  ];
  if (!numbers.most) return rows;
  return [...rows, ['Loops run', integer(numbers.run), `of ${integer(numbers.most)}`],
          ['Loops saved', percent(numbers.saved), '']];
}

function showStatistics(pane, numbers) {
  const cells = pane.select('.stats').selectAll('div').data(statisticsRows(numbers)).join(enter => {
    const cell = enter.append('div');
    cell.append('dt');
    cell.append('dd');
    return cell;
  });
  cells.select('dt').text(([name]) => name);
  cells.select('dd').text(([, value, unit]) => value + (unit ? '\u00a0' + unit : ''));
}

/** The legend of the colours, with how many tokens ran so many loops. */
function showDepths(pane, answer, model) {
  const holder = pane.select('.depths');
  holder.selectAll('*').remove();
  const range = loopRange(model);
  if (range[1] <= range[0]) return;
  const counts = depthCounts(answer, model);
  const most = d3.max(counts, ([, tokens]) => tokens) || 1;
  holder.append('p').attr('class', 'depths-title').text('Tokens by loops run, all groups together');
  const bars = holder.append('div').attr('class', 'bars').attr('role', 'img')
    .attr('aria-label', counts.filter(([, tokens]) => tokens).map(
      ([loops, tokens]) => `${plural(loops, 'loop')}: ${plural(tokens, 'token')}`).join('; ') || 'no tokens yet');
  const columns = bars.selectAll('div').data(counts).join('div').attr('class', 'column')
    .attr('title', ([loops, tokens]) => `${plural(loops, 'loop')}: ${plural(tokens, 'token')}`);
  columns.append('span').attr('class', 'count').text(([, tokens]) => tokens || '');
  columns.append('span').attr('class', 'bar-fill').style('height', ([, tokens]) => `${44 * tokens / most}px`);
  const swatches = columns.append('span').attr('class', 'swatch');
  swatches.each(function ([loops]) {
    paintToken(d3.select(this), depthShare(loops, range));
  });
  const stride = Math.ceil(counts.length / 13);
  columns.append('span').attr('class', 'tick')
    .text(([loops], i) => (i % stride === 0 || i === counts.length - 1 ? loops : ''));
  const ends = holder.append('div').attr('class', 'ends');
  ends.append('span').text('one loop a group');
  ends.append('span').text('all loops');
}

/** Where two answers to the same prompt part, in words. */
function comparisonText(one, other) {
  const place = partAt(one, other);
  if (place === null) {
    return one.tokens.length === other.tokens.length ? 'Both rules wrote the same text.'
      : `The texts are the same as far as both go (${plural(Math.min(one.tokens.length, other.tokens.length), 'token')}).`;
  }
  return place === 0 ? 'The texts differ from the first token on.'
    : `The texts are the same for ${plural(place, 'token')}, then part.`;
}
