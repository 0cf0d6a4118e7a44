// Tokens as they are shown: coloured by their loops, one stop for the keyboard, on which arrow keys move.

const paintToken = (element, share) => {
  element.classed('plain', share === null).style('--depth', share === null ? null : `${Math.round(100 * share)}%`);
};

/** What a token is called aloud. */
function tokenLabel(token, number, places, [, most]) {
  const loops = loopsOfToken(token, places);
  const depth = isNumber(loops) ? `, ${loops} of ${plural(most, 'loop')}` : '';
  return `token ${number + 1}: ${visibleText(token.text) || 'part of a character'}${depth}`;
}

/** Adds a token behind the others of `list`. Whatever it says is text. */
function appendToken(list, answer, number, model) {
  const token = answer.tokens[number];
  const places = loopedPlaces(model);
  const range = loopRange(model);
  const element = list.append('span').datum({answer, number}).attr('class', 'token').attr('role', 'option')
    .attr('aria-selected', 'false').attr('tabindex', number === 0 ? 0 : -1)
    .attr('aria-label', tokenLabel(token, number, places, range));
  paintToken(element, depthShare(loopsOfToken(token, places), range));
  if (!token.text) element.classed('part', true).text('·');
  for (const piece of token.text.split(/(\n)/)) {
    if (piece === '\n') element.append('span').attr('class', 'line-end').text('↵');
    if (piece) element.append('span').text(piece);
  }
}

/** The place that a key moves to from `number` among `count` tokens; null where it is no such key. */
function placeAfterKey(key, number, count) {
  const places = {
    ArrowLeft: number - 1, ArrowUp: number - 1, ArrowRight: number + 1, ArrowDown: number + 1, Home: 0, End: count - 1,
  };
  return key in places ? Math.min(count - 1, Math.max(0, places[key])) : null;
}

/** Clicks and keys of a list of tokens; `choose` hears of the token that is meant. */
function listenToTokens(list, choose) {
  const elements = () => list.selectAll('.token').nodes();
  const moveTo = element => {
    for (const other of elements()) other.tabIndex = other === element ? 0 : -1;
    element.focus();
    choose(element);
  };
  list.on('click', () => {
    const element = d3.event.target.closest('.token');
    if (element) moveTo(element);
  });
  list.on('keydown', () => {
    const all = elements();
    const number = all.indexOf(document.activeElement);
    if (number < 0) return;
    const enters = d3.event.key === 'Enter' || d3.event.key === ' ';
    const place = enters ? number : placeAfterKey(d3.event.key, number, all.length);
    if (place === null) return;
    d3.event.preventDefault();
    moveTo(all[place]);
  });
}
