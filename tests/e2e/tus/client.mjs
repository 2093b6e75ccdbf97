// A tus client: tus-js-client. Arguments: folder of its packages, and a JSON object:
// endpoint, or url to resume; path; chunk_bytes; stop_after_bytes (pauses there, and ends);
// request_id.
// Prints one JSON object: url, done, stopped, status and body of an error, requests.
import { createReadStream, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [packages, json] = process.argv.slice(2);
const wanted = JSON.parse(json);
const require = createRequire(path.join(packages, 'node_modules', 'x.js'));
const tus = require('tus-js-client');

const result = { url: null, done: false, stopped: false, status: null, body: null, requests: [] };
function end() {
  result.url = upload.url;
  console.log(JSON.stringify(result));
  process.exit(0);
}

const upload = new tus.Upload(createReadStream(wanted.path), {
  endpoint: wanted.endpoint,
  uploadUrl: wanted.url ?? null,
  chunkSize: wanted.chunk_bytes ?? Infinity,
  uploadSize: statSync(wanted.path).size,
  retryDelays: null,
  storeFingerprintForResuming: false,
  headers: wanted.request_id ? { 'X-Request-Id': wanted.request_id } : {},
  onBeforeRequest: (request) => { result.requests.push(request.getMethod()); },
  onProgress: (sent) => {
    if (!wanted.stop_after_bytes || sent < wanted.stop_after_bytes || result.stopped) return;
    result.stopped = true;
    upload.abort().then(end, end);
  },
  onError: (error) => {
    result.status = error.originalResponse ? error.originalResponse.getStatus() : 0;
    result.body = error.originalResponse ? error.originalResponse.getBody() : String(error);
    end();
  },
  onSuccess: () => { result.done = true; end(); },
});
upload.start();
