// A tus origin: @tus/server with its file store. Arguments: folder of its packages, folder of its
// files, address, port. Says "ready" when it listens, and a line for each request.
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

const [packages, folder, address, port] = process.argv.slice(2);
const require = createRequire(path.join(packages, 'node_modules', 'x.js'));
const { Server } = require('@tus/server');
const { FileStore } = require('@tus/file-store');

const tus = new Server({ path: '/files', datastore: new FileStore({ directory: folder }) });
const server = http.createServer((request, response) => {
  response.on('close', () => {
    console.log(JSON.stringify({
      method: request.method, url: request.url, offset: request.headers['upload-offset'],
      status: response.writableFinished ? response.statusCode : 0,
    }));
  });
  tus.handle(request, response);
});
server.listen(Number(port), address, () => console.log('"ready"'));
