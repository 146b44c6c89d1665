'use strict'
/*
 * Verifies signed puts as a relay of gun.js does, with the real firewall of SEA (sea/index.js):
 * node verify.js GUN_FOLDER SECONDS OUTSTANDING. Prints how many it did per second.
 *
 * It is given what gun.js's merge gives it for each property of a put that is news, the 'put' event of
 * {'#': soul, '.': key, ':': value, '>': state}, with the value as it came over the wire: the text of
 * {":":…,"~":…}. It parses that, packs what was signed, verifies and unpacks it, and passes the event on. There
 * it is caught, before anything is merged or stored.
 */
const path = require('path')
const [folder, seconds, outstanding] = process.argv.slice(2)
for (const level of ['log', 'info', 'warn']) console[level] = () => {}
require(path.join(folder, 'lib', 'yson'))
const Gun = require(path.join(folder, 'gun'))
const SEA = require(path.join(folder, 'sea'))

// The firewall listens first, when there is an instance; who listens next hears what it has let through.
Gun.on('opt', function (root) {
  this.to.next(root)
  if (root.caught) return
  root.caught = true
  root.on('put', said => said.through(said.put['=']))
  root.on('in', said => { throw new Error('refused: ' + said.err) })
})

async function main () {
  const root = Gun({ radisk: false, localStorage: false, multicast: false, axe: false, peers: {} })._
  const pair = await SEA.pair()
  const soul = '~' + pair.pub
  const values = []
  for (let n = 0; n < 200; n++) {
    const put = { '#': soul, '.': 'key' + n, ':': 'value ' + n, '>': 1800000000000 }
    const signed = await SEA.sign(put, pair, null, { raw: true })
    values.push(JSON.stringify({ ':': put[':'], '~': signed.s }))
  }
  const judged = at => new Promise(through => {
    const put = { '#': soul, '.': 'key' + at, ':': values[at], '>': 1800000000000 }
    root.on('put', { '#': 'put' + at, put, _: {}, through })
  })
  let done = 0
  const until = Date.now() + seconds * 1000
  const begun = process.hrtime.bigint()
  async function one (at) {
    while (Date.now() < until) {
      if (await judged(at % values.length) !== 'value ' + at % values.length) throw new Error('not verified')
      done++
      at += 7
    }
  }
  await Promise.all(Array.from({ length: Number(outstanding) }, (_, at) => one(at)))
  const took = Number(process.hrtime.bigint() - begun) / 1e9
  process.stdout.write(String(done / took), () => process.exit(0))
}
main().catch(error => { process.stderr.write(String(error.stack)); process.exit(1) })
