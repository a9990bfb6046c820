// SPDX-License-Identifier: Apache-2.0
// Calls every method of the class DurableClient of the npm package
// durable-functions against a running node. The class sends requests in two
// modes: to the URL rpcBaseUrl of its binding, or to the URL templates of the
// binding. Each call is tested in both modes.
//
// Arguments: the URL of the node, the directory that contains node_modules, and
// the key if the node has keys.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";

const [base, modules, key] = process.argv.slice(2);
const load = createRequire(join(modules, "package.json"));
const df = load("durable-functions");
const { HttpRequest } = load("@azure/functions");

const answer = await fetch(`${base}/client-binding`,
                           { headers: key ? { "x-functions-key": key } : {} });
assert.equal(answer.status, 200, "GET /client-binding");
const binding = await answer.json();
const { Completed, Failed, Running, Suspended, Terminated } =
  df.OrchestrationRuntimeStatus;

// The Azure Functions host sets this variable. Without it, the client replaces
// every address in its templates by http://localhost:7071.
process.env.WEBSITE_HOSTNAME = new URL(base).host;

/// Creates a client from a binding, as the Azure Functions host does.
function clientFor(data) {
  const input = df.input.durableClient();
  return df.getClient({
    options: { extraInputs: [input] },
    extraInputs: { get: (wanted) => (wanted === input ? data : undefined) },
  });
}

const { rpcBaseUrl, ...templates } = binding;
const clients = {
  rpc: clientFor({ ...templates, rpcBaseUrl }),
  templates: clientFor(templates),
};

/// Waits for the end of the instance with one long request, and returns its
/// status.
async function ended(client, id) {
  const { statusQueryGetUri } = client.createHttpManagementPayload(id);
  const answer = await fetch(`${statusQueryGetUri}&waitSeconds=30`);
  assert.equal(answer.status, 200, `${id} has not ended`);
  return client.getStatus(id);
}

async function send(method, uri) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(uri, { method, headers });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text };
}

for (const [mode, client] of Object.entries(clients)) {
  let started = 0;
  const newId = () => `${mode}-${++started}`;

  async function start(name, input, instanceId = newId()) {
    assert.equal(await client.startNew(name, { instanceId, input }),
                 instanceId);
    return instanceId;
  }

  const check = (description, body) =>
    test(`${mode}: ${description}`, { timeout: 120_000 }, body);

  // --- startNew -------------------------------------------------------------

  await check("startNew makes an ID of 32 hex digits", async () => {
    const id = await client.startNew("Echo");
    assert.match(id, /^[0-9a-f]{32}$/);
    // The client sends "" if there is no input.
    assert.equal((await ended(client, id)).output, "");
  });

  await check("startNew accepts an ID and an input", async () => {
    const input = { city: "Zürich", n: [1, 2.5, null] };
    const id = await start("Echo", input, `${mode} order 17 ü+`);
    const status = await ended(client, id);
    assert.equal(status.instanceId, id);
    assert.deepEqual(status.input, input);
    assert.deepEqual(status.output, input);
  });

  await check("startNew is refused for a live ID", async () => {
    const id = await start("Approval");
    await assert.rejects(client.startNew("Approval", { instanceId: id }),
                         /unexpected status code: 409\./);
  });

  await check("startNew replaces an ended instance", async () => {
    const id = await start("Echo", 1);
    await ended(client, id);
    await start("Echo", 2, id);
    assert.equal((await ended(client, id)).output, 2);
  });

  await check("startNew is refused for an unknown function", async () => {
    await assert.rejects(client.startNew("Nope"),
                         /unexpected status code: 400\..*Nope/);
  });

  // --- getStatus ------------------------------------------------------------

  await check("getStatus returns the status of a live instance", async () => {
    // The node reports whole seconds of the same clock.
    const before = Math.floor(Date.now() / 1000) * 1000;
    const id = await start("SetStatus", { x: 1 });
    const status = await client.getStatus(id);
    assert.equal(status.name, "SetStatus");
    assert.equal(status.instanceId, id);
    assert.equal(status.runtimeStatus, Running);
    assert.deepEqual(status.input, { x: 1 });
    assert.deepEqual(status.customStatus, { stage: "one", n: 1 });
    assert.equal(status.output, null);
    for (const time of [status.createdTime, status.lastUpdatedTime]) {
      assert.equal(time.getMilliseconds(), 0);
      assert.ok(before <= time && time <= Date.now());
    }
  });

  await check("getStatus returns the status of a failed instance", async () => {
    const status = await ended(client, await start("Fails"));
    assert.equal(status.runtimeStatus, Failed);
    assert.match(status.output, /kaboom/);
  });

  await check("getStatus rejects for an unknown ID", async () => {
    await assert.rejects(client.getStatus("nope"), /HTTP 404.*nope/);
  });

  await check("getStatus requests the history", async () => {
    const id = await start("HelloSequence");
    await ended(client, id);
    for (const options of [{ showHistory: true },
                           { showHistory: true, showHistoryOutput: true }]) {
      const status = await client.getStatus(id, options);
      assert.equal(status.runtimeStatus, Completed);
    }
    // The client reads the member `history`, but Durable Functions sends
    // `historyEvents` (azure-functions-durable-js, issue 620). Applications
    // therefore read the history from the URL in the management payload.
    const { statusQueryGetUri } = client.createHttpManagementPayload(id);
    const { text } = await send(
      "GET", `${statusQueryGetUri}&showHistory=true&showHistoryOutput=true`);
    const events = JSON.parse(text).historyEvents;
    assert.deepEqual(events.map((event) => event.EventType),
                     ["ExecutionStarted", "TaskCompleted", "TaskCompleted",
                      "TaskCompleted", "ExecutionCompleted"]);
    assert.equal(events[1].Result, "Hello Tokyo!");
  });

  await check("getStatus leaves the input out", async () => {
    const id = await start("Echo", "secret");
    await ended(client, id);
    const shown = await client.getStatus(id, { showInput: true });
    const hidden = await client.getStatus(id, { showInput: false });
    assert.equal(shown.input, "secret");
    // In the rpc mode the client never sends showInput=false.
    assert.equal(hidden.input, mode === "rpc" ? "secret" : null);
  });

  // --- getStatusAll, getStatusBy --------------------------------------------

  await check("getStatusAll follows the pages to the end", async () => {
    const ids = await Promise.all(
      Array.from({ length: 120 }, () => start("Echo", "many")));
    const seen = (await client.getStatusAll()).map((each) => each.instanceId);
    assert.equal(new Set(seen).size, seen.length, "seen twice");
    for (const id of ids)
      assert.ok(seen.includes(id), `${id} is not listed`);
  });

  await check("getStatusBy combines its filters with and", async () => {
    const before = new Date(Date.now() - 3_600_000);
    const later = new Date(Date.now() + 3_600_000);
    const live = await start("Approval");
    const failed = await start("Fails");
    await ended(client, failed);
    const idsBy = async (filter) =>
      (await client.getStatusBy(filter)).map((each) => each.instanceId);
    const running = await idsBy({ runtimeStatus: [Running] });
    assert.ok(running.includes(live) && !running.includes(failed));
    const both = await idsBy({ createdTimeFrom: before, createdTimeTo: later,
                               runtimeStatus: [Running, Failed] });
    assert.ok(both.includes(live) && both.includes(failed));
    assert.deepEqual(await idsBy({ createdTimeTo: before }), []);
    assert.deepEqual(await idsBy({ createdTimeFrom: later,
                                   runtimeStatus: [Failed] }), []);
  });

  // --- raiseEvent -----------------------------------------------------------

  await check("raiseEvent delivers its data", async () => {
    const id = await start("Approval");
    await client.raiseEvent(id, "Approval", { by: "me" });
    assert.deepEqual((await ended(client, id)).output, { by: "me" });
  });

  await check("raiseEvent without data delivers null", async () => {
    const id = await start("Approval");
    await client.raiseEvent(id, "Approval");
    assert.equal((await ended(client, id)).output, null);
  });

  await check("raiseEvent resolves for an ended instance", async () => {
    const id = await start("Echo", 1);
    await ended(client, id);
    await client.raiseEvent(id, "Late", 1);
  });

  await check("raiseEvent rejects for an unknown ID", async () => {
    await assert.rejects(client.raiseEvent("nope", "Approval", 1),
                         /No instance with ID 'nope' found\./);
  });

  // --- terminate, suspend, resume -------------------------------------------

  await check("terminate makes the reason the output", async () => {
    const id = await start("Approval");
    await client.terminate(id, "Genug: \"es\" reicht für heute");
    const status = await ended(client, id);
    assert.equal(status.runtimeStatus, Terminated);
    assert.equal(status.output, "Genug: \"es\" reicht für heute");
    // For an ended instance the node answers 410, and the client does not
    // report an error.
    await client.terminate(id, "again");
  });

  await check("suspend delays events until resume", async () => {
    const id = await start("Approval");
    await client.suspend(id, "a pause");
    await client.suspend(id, "a longer pause");
    await client.raiseEvent(id, "Approval", "yes");
    assert.equal((await client.getStatus(id)).runtimeStatus, Suspended);
    await client.resume(id, "continue");
    assert.equal((await ended(client, id)).output, "yes");
    await client.suspend(id, "too late");
    await client.resume(id, "too late");
  });

  for (const operation of ["terminate", "suspend", "resume"])
    await check(`${operation} rejects for an unknown ID`, async () => {
      await assert.rejects(client[operation]("nope", "why"),
                           /No instance with ID 'nope' found\./);
    });

  // --- rewind ---------------------------------------------------------------

  await check("rewind repeats the failed work", async () => {
    const id = await start("FailsOnce");
    assert.equal((await ended(client, id)).runtimeStatus, Failed);
    await client.rewind(id, "fixed now");
    const status = await ended(client, id);
    assert.equal(status.runtimeStatus, Completed);
    assert.deepEqual(status.output, ["Hello Tokyo!", "recovered"]);
  });

  await check("rewind reports why it is refused", async () => {
    const done = await start("Echo", 1);
    await ended(client, done);
    const live = await start("Approval");
    for (const id of [done, live])
      await assert.rejects(client.rewind(id, "why"), (error) => {
        assert.ok(error.message.includes(id), error.message);
        return true;
      });
    await assert.rejects(client.rewind("nope", "why"), /nope/);
  });

  // --- purgeInstanceHistory, purgeInstanceHistoryBy -------------------------

  await check("purgeInstanceHistory purges ended instances only", async () => {
    const id = await start("Echo", 1);
    await ended(client, id);
    assert.deepEqual(await client.purgeInstanceHistory(id),
                     { instancesDeleted: 1 });
    assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 0);
    await assert.rejects(client.getStatus(id), /HTTP 404/);
    const live = await start("Approval");
    await assert.rejects(client.purgeInstanceHistory(live), /412/);
  });

  await check("purgeInstanceHistoryBy returns how many it purged", async () => {
    const id = await start("Approval");
    await client.terminate(id, "for the purge");
    await ended(client, id);
    const createdTimeFrom = new Date(Date.now() - 3_600_000);
    const createdTimeTo = new Date(Date.now() + 3_600_000);
    const filter = { createdTimeFrom, createdTimeTo,
                     runtimeStatus: [Terminated] };
    const wanted = (await client.getStatusBy(filter)).length;
    assert.ok(wanted >= 1);
    assert.deepEqual(await client.purgeInstanceHistoryBy(filter),
                     { instancesDeleted: wanted });
    assert.equal((await client.purgeInstanceHistoryBy(filter))
                   .instancesDeleted, 0);
    await assert.rejects(
      client.purgeInstanceHistoryBy({ runtimeStatus: [Terminated] }),
      /createdTimeFrom/);
  });

  // --- waitForCompletionOrCreateCheckStatusResponse -------------------------

  const request = new HttpRequest({ method: "GET", url: `${base}/mine` });
  const soon = { timeoutInMilliseconds: 60_000,
                 retryIntervalInMilliseconds: 10 };
  const waitFor = (id, options = soon) =>
    client.waitForCompletionOrCreateCheckStatusResponse(request, id, options);

  await check("wait returns the bare output", async () => {
    const answer = await waitFor(await start("HelloSequence"));
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), ["Hello Tokyo!", "Hello Seattle!",
                                           "Hello London!"]);
  });

  await check("wait returns the status of a failed instance", async () => {
    const answer = await waitFor(await start("Fails"));
    assert.equal(answer.status, 500);
    assert.equal((await answer.json()).runtimeStatus, Failed);
  });

  await check("wait returns the status of a terminated instance", async () => {
    const id = await start("Approval");
    await client.terminate(id, "enough");
    const answer = await waitFor(id);
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).output, "enough");
  });

  await check("wait returns the status URL after its time-out", async () => {
    const id = await start("Approval");
    const answer = await waitFor(id, { timeoutInMilliseconds: 30,
                                       retryIntervalInMilliseconds: 10 });
    assert.equal(answer.status, 202);
    const location = answer.headers.get("Location");
    assert.equal((await send("GET", location)).status, 202);
  });

  await check("wait rejects for an unknown ID", async () => {
    await assert.rejects(waitFor("nope"), /HTTP 404/);
    await assert.rejects(waitFor("nope", { timeoutInMilliseconds: 1 }),
                         /Total timeout/);
  });

  // --- createCheckStatusResponse, createHttpManagementPayload ---------------

  await check("createCheckStatusResponse has the status URL", async () => {
    const id = await start("Approval");
    for (const from of [request, undefined]) {
      const answer = client.createCheckStatusResponse(from, id);
      assert.equal(answer.status, 202);
      assert.equal(answer.headers.get("Retry-After"), "10");
      const body = await answer.json();
      assert.equal(body.id, id);
      assert.equal(answer.headers.get("Location"), body.statusQueryGetUri);
      const status = await send("GET", body.statusQueryGetUri);
      assert.equal(status.status, 202);
      assert.equal(JSON.parse(status.text).instanceId, id);
    }
  });

  await check("every URL of the management payload works", async () => {
    const id = await start("Approval");
    const urls = client.createHttpManagementPayload(id);
    const because = (uri) => uri.replace("{text}", "handed%20out");
    const post = async (uri) => (await send("POST", because(uri))).status;
    assert.equal(urls.id, id);
    assert.equal(await post(urls.suspendPostUri), 202);
    assert.equal(await post(urls.resumePostUri), 202);
    assert.equal(
      await post(urls.sendEventPostUri.replace("{eventName}", "Other")), 202);
    assert.equal(await post(urls.terminatePostUri), 202);
    assert.equal((await ended(client, id)).output, "handed out");
    assert.equal(await post(urls.rewindPostUri), 412);
    const again = await send("POST", urls.restartPostUri);
    assert.equal(again.status, 202);
    assert.notEqual(JSON.parse(again.text).id, id);
    assert.equal((await send("DELETE", urls.purgeHistoryDeleteUri)).status,
                 200);
    assert.equal((await send("GET", urls.statusQueryGetUri)).status, 404);
  });

  // --- entities -------------------------------------------------------------

  await check("entities are refused with a message", async () => {
    const counter = new df.EntityId("Counter", "a");
    for (const call of [() => client.readEntityState(counter),
                         () => client.signalEntity(counter, "add", 1)])
      await assert.rejects(call, /status code: 501\..*[Ee]ntities/);
  });
}

// --- The binding ------------------------------------------------------------

test("the binding has the members that the client reads, all strings", () => {
  assert.equal(binding.managementUrls.id, "INSTANCEID");
  assert.ok(binding.rpcBaseUrl.endsWith("/durabletask/"));
  // If one of these two members is missing, the client refuses calls for
  // entities and sends no request.
  assert.ok(binding.baseUrl && binding.requiredQueryStringParameters);
  for (const [name, value] of [...Object.entries(binding.creationUrls),
                               ...Object.entries(binding.managementUrls)])
    assert.equal(typeof value, "string", name);
});

test("without WEBSITE_HOSTNAME the client uses the default port", () => {
  delete process.env.WEBSITE_HOSTNAME;
  const { statusQueryGetUri } =
    clientFor(binding).createHttpManagementPayload("a");
  assert.equal(new URL(statusQueryGetUri).origin, "http://localhost:7071");
});
