'use strict'
/*
 * Verifies signed puts with the real SEA, as a relay of gun.js does: node verify.js GUN_FOLDER SECONDS OUTSTANDING
 * Prints how many it did per second.
 */
const path = require('path')
const [folder, seconds, outstanding] = process.argv.slice(2)
for (const level of ['log', 'info', 'warn']) console[level] = () => {}
require(path.join(folder, 'lib', 'yson'))
require(path.join(folder, 'gun'))
const SEA = require(path.join(folder, 'sea'))

async function main () {
  const pair = await SEA.pair()
  const signed = []
  for (let n = 0; n < 200; n++) {
    const put = { '#': '~' + pair.pub, '.': 'key' + n, ':': 'value ' + n, '>': 1800000000000 + n }
    signed.push(await SEA.sign(put, pair))
  }
  let done = 0
  const until = Date.now() + seconds * 1000
  const begun = process.hrtime.bigint()
  async function one (at) {
    while (Date.now() < until) {
      const said = await SEA.verify(signed[at % signed.length], pair.pub)
      if (said === undefined) throw new Error('not verified')
      done++
      at += 7
    }
  }
  await Promise.all(Array.from({ length: Number(outstanding) }, (_, at) => one(at)))
  const took = Number(process.hrtime.bigint() - begun) / 1e9
  process.stdout.write(String(done / took))
}
main().catch(error => { process.stderr.write(String(error)); process.exit(1) })
