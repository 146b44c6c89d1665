'use strict'
/*
 * The real SEA, for the interoperation tests.
 *
 *   node sea.js GUN_FOLDER page|relay
 *
 * In: a JSON array of commands, such as {"do": "sign", "data": ..., "pair": ...}, on stdin. Out: a JSON array of
 * answers, {"answer": ...} each, or {} for undefined. What SEA prints goes to stderr.
 *
 * `page` is a browser: scripts that find a window, and its WebCrypto. `relay` is what gun's own relay loads: modules,
 * another WebCrypto, and YSON in place of JSON.
 */
const fs = require('fs')
const path = require('path')
const vm = require('vm')

const [gunFolder, mode] = process.argv.slice(2)
for (const level of ['log', 'info', 'warn', 'debug']) {
  console[level] = (...words) => process.stderr.write(words.map(String).join(' ') + '\n')
}

function page () {
  const absent = { value: undefined, configurable: true, writable: true }
  for (const name of ['localStorage', 'sessionStorage', 'WebSocket']) Object.defineProperty(globalThis, name, absent)
  if (!globalThis.crypto) globalThis.crypto = require('crypto').webcrypto
  globalThis.window = globalThis.self = globalThis
  for (const name of ['gun.js', 'sea.js']) {
    const file = path.join(gunFolder, name)
    vm.runInThisContext(fs.readFileSync(file, 'utf8'), { filename: file })
  }
  return [globalThis.Gun, globalThis.SEA]
}

function relay () {
  require(path.join(gunFolder, 'lib', 'yson'))
  return [require(path.join(gunFolder, 'gun')), require(path.join(gunFolder, 'sea'))]
}

const [Gun, SEA] = mode === 'page' ? page() : relay()
// What is accepted only by way of the legacy fallbacks would hide what is signed wrongly.
SEA.opt.fall_verify = (data, pair, callback) => { if (callback) callback() }

/** A client that is alone. What it asks, an empty disk answers: else it waits for ever. */
function fresh () {
  const gun = Gun({ peers: [], localStorage: false, radisk: false, file: false, multicast: false, axe: false })
  gun._.on('get', function (message) {
    this.to.next(message)
    Gun.on.get.ack(message, undefined)
  })
  return gun
}

/** All that a client has in memory, as it was put. */
function stored (gun) {
  return JSON.parse(JSON.stringify(gun._.graph))
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** A client that was sent a graph, when it has checked it all; in an object, since a chain has a `then` of its own. */
async function given (graph, patience = 1000) {
  const gun = fresh()
  const known = JSON.parse(JSON.stringify(graph))
  gun._.on('in', { '#': String(Math.random()), put: known })
  const size = (nodes) => Object.values(nodes).reduce((sum, node) => sum + Object.keys(node).length, 0)
  for (let tries = 0; tries < patience && size(gun._.graph) < size(graph); tries++) await sleep(10)
  return { gun }
}

/** What a client is told when it is done. */
function done (begin) {
  return new Promise((resolve) => begin((ack) => resolve(ack)))
}

const todo = {
  pair: () => SEA.pair(),
  async sign ({ data, pair }) {
    const text = await SEA.sign(data, pair)
    return { text, again: await SEA.verify(text, pair.pub) }
  },
  verify: ({ data, pub }) => SEA.verify(data, pub),
  async signValue ({ soul, key, value, state, pair }) {
    const signed = await SEA.sign({ '#': soul, '.': key, ':': value, '>': state }, pair, null, { raw: 1 })
    return JSON.stringify({ ':': signed.m[':'], '~': signed.s })
  },
  verifyValue: ({ soul, key, value, state, pub }) => new Promise((resolve) => {
    SEA.opt.pack({ '#': soul, '.': key, ':': value, '>': state }, (packed) => {
      SEA.verify(packed, pub, (data) => resolve(SEA.opt.unpack(data)))
    })
  }),
  async encrypt ({ data, key }) {
    const text = await SEA.encrypt(data, key)
    return { text, again: await SEA.decrypt(text, key) }
  },
  decrypt: ({ data, key }) => SEA.decrypt(data, key),
  secret: ({ epub, pair }) => SEA.secret(epub, pair),
  work: ({ data, salt, opt }) => SEA.work(data, salt, null, opt),
  certify: ({ certificants, policy, authority, opt }) => SEA.certify(certificants, policy, authority, null, opt),

  async create ({ alias, pass }) {
    const gun = fresh()
    await done((cb) => gun.user().create(alias, pass, cb))
    return { graph: stored(gun), pair: { ...gun.user()._.sea } }
  },
  /** Log in from what a graph has; then the pair. */
  async auth ({ alias, pass, graph }) {
    const { gun } = await given(graph)
    await done((cb) => gun.user().auth(alias, pass, cb))
    return { ...gun.user()._.sea }
  },
  async changed ({ alias, pass, change, graph }) {
    const { gun } = await given(graph)
    const before = JSON.stringify(gun._.graph)
    // Its callback would wait for somebody else to have it.
    gun.user().auth(alias, pass, () => {}, { change })
    for (let tries = 0; tries < 500 && JSON.stringify(gun._.graph) === before; tries++) await sleep(10)
    return stored(gun)
  },
  /** Put some values by a user who is logged in, also elsewhere by a certificate. */
  async put ({ pair, values, owner, certificate, keys }) {
    const gun = fresh()
    await done((cb) => gun.user().auth(pair, cb))
    for (const [key, value] of Object.entries(values)) gun.user().get('data').get(key).put(value)
    for (const key of keys) gun.get('~' + owner).get('inbox').get(key).put('hi ' + key, null, { opt: { cert: certificate } })
    const has = (soul, names) => names.every((name) => name in (gun._.graph[soul] || {}))
    const all = () => has('~' + pair.pub + '/data', Object.keys(values)) && has('~' + owner + '/inbox', keys)
    for (let tries = 0; tries < 1000 && !all(); tries++) await sleep(10)
    return stored(gun)
  },
  /** What of a graph is taken, as it was put. */
  async take ({ graph, patience }) {
    return stored((await given(graph, patience)).gun)
  }
}

// A client that waits for what never comes would let the process end, without a word.
setInterval(() => {}, 1000)

async function main () {
  const commands = JSON.parse(fs.readFileSync(0, 'utf8'))
  const answers = []
  for (const command of commands) answers.push({ answer: await todo[command.do](command) })
  process.stdout.write(JSON.stringify(answers), () => process.exit(0))
}
main().catch((error) => {
  process.stderr.write(String(error.stack || error) + '\n', () => process.exit(1))
})
