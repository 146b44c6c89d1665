'use strict'
/*
 * gun's own relay, to hold against gunnet: the same scenarios must hold for both.
 *
 *   node relay.js GUN_FOLDER '{"host": ..., "port": ..., "data": folder or null, "axe": bool, "peers": [url], "multicast": bool}'
 */
const http = require('http')

const [gunFolder, text] = process.argv.slice(2)
const { host, port, data, axe, peers, multicast } = JSON.parse(text)
const Gun = require(gunFolder)
const server = http.createServer((request, response) => {
  response.writeHead(request.url === '/healthz' ? 200 : 404, { 'Content-Type': 'application/json' })
  response.end('{}')
})
const storage = data === null ? { file: false, radisk: false } : { file: data }

process.on('SIGTERM', () => process.exit(0))
// It never acknowledges a write from the future, and clients add fractions to milliseconds: let it be ahead of them.
Gun.state.drift = 5
Gun({ web: server, ...storage, axe, peers, multicast: multicast ? {} : false, stats: false, localStorage: false })
server.listen(port, host)
