'use strict'
/*
 * What gun's lib/stats.js writes, once, on standard output: it has no other place for it than a file in its own package.
 *
 *   node stats.js GUN_FOLDER DATA_FOLDER
 */
const fs = require('fs')
const path = require('path')
const [gunFolder, data] = process.argv.slice(2)
const write = fs.writeFile
fs.writeFile = (file, text, done) => {
  if (!path.basename(file).startsWith('stats.')) return write(file, text, done)
  process.stdout.write(text, () => process.exit(0))
}
const Gun = require(gunFolder)
const gun = Gun({ file: data, axe: false, multicast: false, localStorage: false, peers: [] })
gun.get('a').put({ b: 'c' })
gun.get('a').once(() => {})
