// Words beside drawings: notes, labelled sentences, tables of a number a series, controls.

function appendNote(parent, message) {
  parent.append('p').attr('class', 'note').text(message);
}

function appendLabelled(paragraph, label, content) {
  paragraph.append('b').text(label);
  paragraph.append('span').text((content || NONE) + ' ');
}

/** A row for each {group, value}, the group being a series. */
function appendNumbersTable(parent, {label, rows}) {
  if (!rows.length) return;
  const table = parent.append('table').attr('class', 'numbers');
  table.append('caption').text(label);
  for (const {group, value} of rows) {
    const row = table.append('tr');
    const name = row.append('td');
    appendBadge(name, group);
    name.append('span').text(group.name);
    row.append('td').text(value);
  }
}

/** Makes the controls anew with `append`, and gives the keyboard focus back to the one that had it. */
function renderControls(controls, append) {
  const elements = () => [...controls.node().querySelectorAll('button, select')];
  const focused = elements().indexOf(document.activeElement);
  controls.selectAll('*').remove();
  append(controls);
  const successor = elements()[focused];
  if (successor) successor.focus();
}
