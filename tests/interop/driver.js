'use strict'
/*
 * A page without a browser: hosts gun clients for the interoperation tests.
 *
 *   node driver.js GUN_FOLDER WS_FOLDER
 *
 * One JSON text per line. In: {"n": 1, "do": "put", "client": "alice", ...}. Out: {"n": 1, "answer": ...} or
 * {"n": 1, "error": "..."} when the command is done, and between them {"event": stream, ...} as things happen.
 * What gun prints goes to stderr; with GUNNET_INTEROP_FRAMES=1 in the environment every frame does too.
 *
 * gun's browser build is run as a page would run it: as two scripts that find a window, and no module, process
 * store, multicast, AXE or server of their own. The page has no localStorage.
 */
const fs = require('fs')
const path = require('path')
const readline = require('readline')
const vm = require('vm')

const [gunFolder, wsFolder] = process.argv.slice(2)
const Socket = require(wsFolder)
const showFrames = process.env.GUNNET_INTEROP_FRAMES === '1'

function emit (message) {
  process.stdout.write(JSON.stringify(message) + '\n')
}

function openPage () {
  for (const level of ['log', 'info', 'warn', 'debug']) {
    console[level] = (...words) => process.stderr.write(words.map(String).join(' ') + '\n')
  }
  const absent = { value: undefined, configurable: true, writable: true }
  for (const name of ['localStorage', 'sessionStorage', 'WebSocket']) Object.defineProperty(globalThis, name, absent)
  if (!globalThis.crypto) globalThis.crypto = require('crypto').webcrypto
  globalThis.window = globalThis.self = globalThis
  for (const name of ['gun.js', 'sea.js']) {
    const file = path.join(gunFolder, name)
    vm.runInThisContext(fs.readFileSync(file, 'utf8'), { filename: file })
  }
}

/**
 * The network of one client, with a plug to pull. While it is held, sockets of the client do not leave the machine:
 * a dial waits, as on a phone in a tunnel, and goes on when the network is released.
 */
class Network {
  constructor (name, held, options) {
    this.name = name
    this.options = options
    this.held = held
    this.waiting = []
    this.sockets = new Set()
    const network = this
    this.WebSocket = function (url) { return network.dial(url) }
  }

  dial (url) {
    const line = { send () { throw new Error('not connected') }, close () { line.closed = true } }
    const connect = () => {
      if (line.closed) return
      const socket = new Socket(url, this.options)
      this.sockets.add(socket)
      socket.onopen = (event) => {
        line.send = (text) => {
          if (showFrames) console.log(this.name, '>', text)
          socket.send(text)
        }
        this.tell('open', url)
        line.onopen && line.onopen(event)
      }
      socket.onmessage = (event) => {
        if (showFrames) console.log(this.name, '<', event.data)
        line.onmessage && line.onmessage(event)
      }
      socket.onerror = (event) => line.onerror && line.onerror(event)
      socket.onclose = (event) => {
        this.sockets.delete(socket)
        this.tell('closed', url)
        line.onclose && line.onclose(event)
      }
      line.close = () => socket.close()
    }
    this.tell('dial', url)
    this.held ? this.waiting.push(connect) : connect()
    return line
  }

  tell (state, url) {
    emit({ event: 'link', client: this.name, state, url })
  }

  hold () {
    this.held = true
    this.cut()
  }

  cut () {
    for (const socket of this.sockets) socket.terminate()
  }

  release () {
    this.held = false
    for (const connect of this.waiting.splice(0)) connect()
  }
}

const clients = new Map()

function client (name) {
  if (!clients.has(name)) throw new Error('no client ' + name)
  return clients.get(name)
}

/** The chain a command names: `root` is "gun", "user" (the one logged in), or a soul; `path` keys and LEX objects. */
function chain (command) {
  const { gun } = client(command.client)
  const root = command.root === 'user' ? gun.user() : gun
  return (command.path || []).reduce((at, key) => at.get(key), root)
}

/** An ack as it can be told: gun hands out its own chains and contexts too. */
function plain (ack) {
  return { ok: ack.ok === undefined ? null : ack.ok, err: ack.err === undefined ? null : String(ack.err) }
}

/** A value as it can be told; undefined, for data that is not there, is left out. */
function told (key, value) {
  return { key, value }
}

const todo = {
  open ({ client: name, peers, held, socket }) {
    const network = new Network(name, held, socket)
    const gun = globalThis.Gun({ peers, localStorage: false, WebSocket: network.WebSocket })
    clients.set(name, { gun, network })
    return null
  },

  put (command) {
    const { value, state, acked } = command
    const options = state === undefined ? undefined : { state }
    if (!acked) {
      chain(command).put(value, undefined, options)
      return null
    }
    return new Promise((resolve) => { chain(command).put(value, (ack) => resolve(plain(ack)), options) })
  },

  set (command) {
    return new Promise((resolve) => { chain(command).set(command.value, (ack) => resolve(plain(ack))) })
  },

  once (command) {
    return new Promise((resolve) => {
      const options = command.wait === undefined ? undefined : { wait: command.wait }
      chain(command).once((value, key) => resolve(told(key, value)), options)
    })
  },

  /** Events for every change from now on; `each` goes through map(), `single` asks once per item. */
  watch (command) {
    const { stream, each, single } = command
    const listen = (value, key) => emit({ event: 'data', stream, ...told(key, value) })
    const at = each ? chain(command).map() : chain(command)
    single ? at.once(listen) : at.on(listen)
    return null
  },

  off (command) {
    chain(command).off()
    return null
  },

  stall (command) { client(command.client).network.held = true; return null },
  hold (command) { client(command.client).network.hold(); return null },
  cut (command) { client(command.client).network.cut(); return null },
  release (command) { client(command.client).network.release(); return null },

  create ({ client: name, alias, pass }) {
    return new Promise((resolve) => {
      client(name).gun.user().create(alias, pass, (ack) => resolve({ ...plain(ack), pub: ack.pub }))
    })
  },

  auth ({ client: name, alias, pass }) {
    const { gun } = client(name)
    return new Promise((resolve) => {
      gun.user().auth(alias, pass, (ack) => resolve({ ...plain(ack), pub: (gun.user().is || {}).pub }))
    })
  },

  /** A token for the owner of a pair, as docs/access.md says it. */
  async enter ({ url, pair }) {
    const { challenge } = await (await fetch(url + '/challenge')).json()
    if (!challenge.startsWith('gunnet-challenge:' + new URL(url).host + ':')) throw new Error('not of this relay')
    const proof = await globalThis.SEA.sign(challenge, pair)
    const body = JSON.stringify({ pub: pair.pub, proof })
    const answer = await fetch(url + '/token', { method: 'POST', body })
    return answer.ok ? (await answer.json()).token : null
  },

  login ({ client: name, pair }) {
    return new Promise((resolve) => { client(name).gun.user().auth(pair, (ack) => resolve(plain(ack))) })
  },

  close ({ client: name }) {
    client(name).network.hold()
    clients.delete(name)
    return null
  }
}

async function run (command) {
  try {
    const answer = await todo[command.do](command)
    emit({ n: command.n, answer })
  } catch (error) {
    emit({ n: command.n, error: error.stack || String(error) })
  }
}

openPage()
const input = readline.createInterface({ input: process.stdin })
input.on('line', (line) => run(JSON.parse(line)))
input.on('close', () => process.exit(0))
emit({ event: 'ready', node: process.version })
