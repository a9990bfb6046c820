// The DurableClient of the npm package durable-functions, as an application
// has it, against a live node: every method of the class, in both of its ways
// to talk. Arguments: the node's URL, the folder with node_modules, and a key
// if the node has keys.
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

// Only with this variable, which the real host sets, does the client believe
// the addresses in its templates; without, all become http://localhost:7071.
process.env.WEBSITE_HOSTNAME = new URL(base).host;

/// What an application's function gets: the binding, and how to ask for it.
function clientFor(data) {
  const input = df.input.durableClient();
  return df.getClient({
    options: { extraInputs: [input] },
    extraInputs: { get: (asked) => (asked === input ? data : undefined) },
  });
}

const { rpcBaseUrl, ...templates } = binding;
const ways = {
  rpc: clientFor({ ...templates, rpcBaseUrl }),
  templates: clientFor(templates),
};

/// Resolves when it has ended; woken by the end, nothing polls.
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

for (const [way, client] of Object.entries(ways)) {
  let started = 0;
  const newId = () => `${way}-${++started}`;

  async function start(name, input, instanceId = newId()) {
    assert.equal(await client.startNew(name, { instanceId, input }),
                 instanceId);
    return instanceId;
  }

  const promise = (sentence, body) =>
    test(`${way}: ${sentence}`, { timeout: 60_000 }, body);

  // --- startNew -------------------------------------------------------------

  await promise("startNew makes an ID of 32 hex digits", async () => {
    const id = await client.startNew("Echo");
    assert.match(id, /^[0-9a-f]{32}$/);
    // The client sends "" where there is no input.
    assert.equal((await ended(client, id)).output, "");
  });

  await promise("startNew takes an ID and an input", async () => {
    const input = { city: "Zürich", n: [1, 2.5, null] };
    const id = await start("Echo", input, `${way} order 17 ü+`);
    const status = await ended(client, id);
    assert.equal(status.instanceId, id);
    assert.deepEqual(status.input, input);
    assert.deepEqual(status.output, input);
  });

  await promise("startNew is refused for a live ID", async () => {
    const id = await start("Approval");
    await assert.rejects(client.startNew("Approval", { instanceId: id }),
                         /unexpected status code: 409\./);
  });

  await promise("startNew replaces what has ended", async () => {
    const id = await start("Echo", 1);
    await ended(client, id);
    await start("Echo", 2, id);
    assert.equal((await ended(client, id)).output, 2);
  });

  await promise("startNew is refused for an unknown function", async () => {
    await assert.rejects(client.startNew("Nope"),
                         /unexpected status code: 400\..*Nope/);
  });

  // --- getStatus ------------------------------------------------------------

  await promise("getStatus shows a live instance", async () => {
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
      assert.ok(Math.abs(Date.now() - time) < 60_000);
    }
  });

  await promise("getStatus shows a failure as a status", async () => {
    const status = await ended(client, await start("Fails"));
    assert.equal(status.runtimeStatus, Failed);
    assert.match(status.output, /kaboom/);
  });

  await promise("getStatus rejects for an unknown ID", async () => {
    await assert.rejects(client.getStatus("nope"), /HTTP 404.*nope/);
  });

  await promise("getStatus asks for the history", async () => {
    const id = await start("HelloSequence");
    await ended(client, id);
    for (const options of [{ showHistory: true },
                           { showHistory: true, showHistoryOutput: true }]) {
      const status = await client.getStatus(id, options);
      assert.equal(status.runtimeStatus, Completed);
    }
    // The client looks for `history` where Durable Functions sends
    // `historyEvents` (azure-functions-durable-js, issue 620), so an
    // application reads it from the URL it is given.
    const { statusQueryGetUri } = client.createHttpManagementPayload(id);
    const { text } = await send(
      "GET", `${statusQueryGetUri}&showHistory=true&showHistoryOutput=true`);
    const events = JSON.parse(text).historyEvents;
    assert.deepEqual(events.map((event) => event.EventType),
                     ["ExecutionStarted", "TaskCompleted", "TaskCompleted",
                      "TaskCompleted", "ExecutionCompleted"]);
    assert.equal(events[1].Result, "Hello Tokyo!");
  });

  await promise("getStatus leaves the input out", async () => {
    const id = await start("Echo", "secret");
    await ended(client, id);
    const shown = await client.getStatus(id, { showInput: true });
    const hidden = await client.getStatus(id, { showInput: false });
    assert.equal(shown.input, "secret");
    // In its rpc way the client never sends false.
    assert.equal(hidden.input, way === "rpc" ? "secret" : null);
  });

  // --- getStatusAll, getStatusBy --------------------------------------------

  await promise("getStatusAll follows the pages to the end", async () => {
    const ids = await Promise.all(
      Array.from({ length: 120 }, () => start("Echo", "many")));
    const seen = (await client.getStatusAll()).map((each) => each.instanceId);
    assert.equal(new Set(seen).size, seen.length, "seen twice");
    for (const id of ids)
      assert.ok(seen.includes(id), `${id} is not listed`);
  });

  await promise("getStatusBy joins its filters by and", async () => {
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

  await promise("raiseEvent hands its data over", async () => {
    const id = await start("Approval");
    await client.raiseEvent(id, "Approval", { by: "me" });
    assert.deepEqual((await ended(client, id)).output, { by: "me" });
  });

  await promise("raiseEvent without data is null", async () => {
    const id = await start("Approval");
    await client.raiseEvent(id, "Approval");
    assert.equal((await ended(client, id)).output, null);
  });

  await promise("raiseEvent resolves for what has ended", async () => {
    const id = await start("Echo", 1);
    await ended(client, id);
    await client.raiseEvent(id, "Late", 1);
  });

  await promise("raiseEvent rejects for an unknown ID", async () => {
    await assert.rejects(client.raiseEvent("nope", "Approval", 1),
                         /No instance with ID 'nope' found\./);
  });

  // --- terminate, suspend, resume -------------------------------------------

  await promise("terminate makes the reason the output", async () => {
    const id = await start("Approval");
    await client.terminate(id, "Genug: \"es\" reicht für heute");
    const status = await ended(client, id);
    assert.equal(status.runtimeStatus, Terminated);
    assert.equal(status.output, "Genug: \"es\" reicht für heute");
    await client.terminate(id, "again"); // Gone, and that is no error.
  });

  await promise("suspend holds back what resume lets go on", async () => {
    const id = await start("Approval");
    await client.suspend(id, "a pause");
    await client.suspend(id, "a longer pause");
    await client.raiseEvent(id, "Approval", "yes");
    assert.equal((await client.getStatus(id)).runtimeStatus, Suspended);
    await client.resume(id, "go on");
    assert.equal((await ended(client, id)).output, "yes");
    await client.suspend(id, "too late");
    await client.resume(id, "too late");
  });

  for (const operation of ["terminate", "suspend", "resume"])
    await promise(`${operation} rejects for an unknown ID`, async () => {
      await assert.rejects(client[operation]("nope", "why"),
                           /No instance with ID 'nope' found\./);
    });

  // --- rewind ---------------------------------------------------------------

  await promise("rewind runs again what failed", async () => {
    const id = await start("FailsOnce");
    assert.equal((await ended(client, id)).runtimeStatus, Failed);
    await client.rewind(id, "mended now");
    const status = await ended(client, id);
    assert.equal(status.runtimeStatus, Completed);
    assert.deepEqual(status.output, ["Hello Tokyo!", "recovered"]);
  });

  await promise("rewind says why it cannot", async () => {
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

  await promise("purgeInstanceHistory takes what has ended", async () => {
    const id = await start("Echo", 1);
    await ended(client, id);
    assert.deepEqual(await client.purgeInstanceHistory(id),
                     { instancesDeleted: 1 });
    assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 0);
    await assert.rejects(client.getStatus(id), /HTTP 404/);
    const live = await start("Approval");
    await assert.rejects(client.purgeInstanceHistory(live), /412/);
  });

  await promise("purgeInstanceHistoryBy counts what it took", async () => {
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
  const soon = { timeoutInMilliseconds: 20_000,
                 retryIntervalInMilliseconds: 10 };
  const waitFor = (id, options = soon) =>
    client.waitForCompletionOrCreateCheckStatusResponse(request, id, options);

  await promise("a wait answers with the bare output", async () => {
    const answer = await waitFor(await start("HelloSequence"));
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), ["Hello Tokyo!", "Hello Seattle!",
                                           "Hello London!"]);
  });

  await promise("a wait shows a failure as a status", async () => {
    const answer = await waitFor(await start("Fails"));
    assert.equal(answer.status, 500);
    assert.equal((await answer.json()).runtimeStatus, Failed);
  });

  await promise("a wait shows a termination as a status", async () => {
    const id = await start("Approval");
    await client.terminate(id, "enough");
    const answer = await waitFor(id);
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).output, "enough");
  });

  await promise("a wait whose time is over says where to ask", async () => {
    const id = await start("Approval");
    const answer = await waitFor(id, { timeoutInMilliseconds: 30,
                                       retryIntervalInMilliseconds: 10 });
    assert.equal(answer.status, 202);
    const location = answer.headers.get("Location");
    assert.equal((await send("GET", location)).status, 202);
  });

  await promise("a wait rejects for an unknown ID", async () => {
    await assert.rejects(waitFor("nope"), /HTTP 404/);
    await assert.rejects(waitFor("nope", { timeoutInMilliseconds: 1 }),
                         /Total timeout/);
  });

  // --- createCheckStatusResponse, createHttpManagementPayload ---------------

  await promise("createCheckStatusResponse leads to the instance", async () => {
    const id = await start("Approval");
    for (const from of [request, undefined]) {
      const answer = client.createCheckStatusResponse(from, id);
      assert.equal(answer.status, 202);
      assert.equal(answer.headers.get("Retry-After"), "10");
      const body = await answer.json();
      assert.equal(body.id, id);
      assert.equal(answer.headers.get("Location"), body.statusQueryGetUri);
      const asked = await send("GET", body.statusQueryGetUri);
      assert.equal(asked.status, 202);
      assert.equal(JSON.parse(asked.text).instanceId, id);
    }
  });

  await promise("every URL that is handed out works", async () => {
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

  await promise("entities are refused with a sentence", async () => {
    const counter = new df.EntityId("Counter", "a");
    for (const asked of [() => client.readEntityState(counter),
                         () => client.signalEntity(counter, "add", 1)])
      await assert.rejects(asked, /status code: 501\..*[Ee]ntities/);
  });
}

// --- What the binding itself promises ---------------------------------------

test("the binding has what the client looks for, all strings", () => {
  assert.equal(binding.managementUrls.id, "INSTANCEID");
  assert.ok(binding.rpcBaseUrl.endsWith("/durabletask/"));
  // Without these two it refuses the methods for entities by itself.
  assert.ok(binding.baseUrl && binding.requiredQueryStringParameters);
  for (const [name, value] of [...Object.entries(binding.creationUrls),
                               ...Object.entries(binding.managementUrls)])
    assert.equal(typeof value, "string", name);
});

test("without WEBSITE_HOSTNAME the templates go to the default port", () => {
  delete process.env.WEBSITE_HOSTNAME;
  const { statusQueryGetUri } =
    clientFor(binding).createHttpManagementPayload("a");
  assert.equal(new URL(statusQueryGetUri).origin, "http://localhost:7071");
});
