// Puts all that is in a radata folder of gun.js to a relay, with the states that it has there. No file in the folder is changed.
// Run it in the folder of the relay that wrote it, where node_modules has gun:
//   node radata.js radata http://localhost:8765/gun
const fs = require('fs');
const path = require('path');
const Radisk = require('gun/lib/radisk');
const store = require('gun/lib/rfs');
const WebSocket = require('ws');

const [folder, url] = process.argv.slice(2);
const CELLS_MAX = 500; // of one node in one message
const CHARACTERS_MAX = 1000000; // of values in one message, about
const UNDER_WAY_MAX = 100;
const SECONDS_MAX = 30; // without an answer

if (!folder || !url || !fs.existsSync(folder)) {
  console.error('usage: node radata.js FOLDER http://HOST:8765/gun');
  process.exit(2);
}
const count = { files: 0, nodes: 0, cells: 0, left: 0, refused: 0 };

function read(name) {
  const text = fs.readFileSync(path.join(folder, name), 'utf8');
  try {
    return JSON.parse(text);
  } catch (e) {
    // Radisk also writes numbers that JSON does not have.
    const disk = Radisk({ file: folder, store: store({ file: folder }) });
    return new Promise((done, failed) =>
      disk.parse(decodeURIComponent(name), (err, tree) => (err ? failed(new Error(`${name}: ${err}`)) : done(tree.$)))
    );
  }
}

function* records(tree, before = '') {
  for (const [part, below] of Object.entries(tree)) {
    if (part === '') yield [before, below || {}];
    else if (below && typeof below === 'object') yield* records(below, before + part);
  }
}

function* puts(tree) {
  let soul, node, size;
  for (const [names, record] of records(tree)) {
    const [itsSoul, key] = names.split('\x1b');
    const { ':': value, '>': state } = record;
    if (key === undefined || value === undefined || !Number.isFinite(state)) {
      count.left++; // nothing that a relay would take, or from before 2020
      continue;
    }
    if (node && (itsSoul !== soul || size.cells >= CELLS_MAX || size.characters >= CHARACTERS_MAX)) {
      yield { [soul]: node };
      node = undefined;
    }
    if (itsSoul !== soul) count.nodes++;
    soul = itsSoul;
    if (!node) {
      node = { _: { '#': soul, '>': {} } };
      size = { cells: 0, characters: 0 };
    }
    node[key] = value;
    node._['>'][key] = state;
    size.cells++;
    size.characters += typeof value === 'string' ? value.length : 20;
    count.cells++;
  }
  if (node) yield { [soul]: node };
}

async function main() {
  const link = new WebSocket(url.replace(/^http/, 'ws'));
  await new Promise((done, failed) => link.on('open', done).on('error', failed));
  link.on('close', () => end('the relay has closed the link', 1));
  const waiting = new Map();
  let wake = () => {};
  let heard = Date.now();
  link.on('message', text => {
    for (const message of [].concat(JSON.parse(text))) {
      if (!waiting.has(message['@']) || !('ok' in message || message.err)) continue;
      heard = Date.now();
      if (message.err) {
        count.refused++;
        console.error(`${waiting.get(message['@'])}: ${message.err}`);
      }
      waiting.delete(message['@']);
      wake();
    }
  });
  setInterval(() => {
    if (waiting.size && Date.now() - heard > SECONDS_MAX * 1000) end(`no answer for ${SECONDS_MAX} s`, 1);
  }, 1000);
  const below = most => new Promise(done => (wake = () => waiting.size < most && done())());
  let id = 0;
  for (const name of fs.readdirSync(folder).sort()) {
    if (name === '%1C') continue; // radisk's list of the files
    const tree = await read(name);
    count.files++;
    for (const put of puts(tree)) {
      await below(UNDER_WAY_MAX);
      const message = `radata${++id}${Math.random().toString(36).slice(2)}`;
      if (!waiting.size) heard = Date.now();
      waiting.set(message, Object.keys(put)[0]);
      link.send(JSON.stringify({ '#': message, put }));
    }
  }
  await below(1);
  end('', count.refused ? 1 : 0);
}

function end(why, status) {
  console.log(`\n${count.files} files, ${count.nodes} nodes, ${count.cells} properties; ${count.left} left out, ${count.refused} refused`);
  if (why) console.error(why);
  process.exit(status);
}

main().catch(why => end(why.message, 1));
