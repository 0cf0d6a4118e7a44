// Loads the shared scripts of pages (src/study/page), which declare functions and no module, as a page does: one after
// the other into one scope, with D3. Says what it has by name.
'use strict';
const fs = require('fs');
const path = require('path');

const folder = path.join(__dirname, '../../src/study/page');
const d3 = require(process.env.GYRE_D3 || '/usr/share/nodejs/d3/dist/d3.min.js');

/** The things called `names` once `files` are loaded; `given` are further names that the files may read. */
function load(files, names, given = {}) {
  const source = files.map(file => fs.readFileSync(path.join(folder, file), 'utf8')).join('\n');
  const all = {d3, ...given};
  return new Function(...Object.keys(all), `'use strict';\n${source}\nreturn {${names.join(', ')}};`)(
    ...Object.values(all));
}

module.exports = {load};
