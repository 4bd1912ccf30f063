// A partner's client in Node: asks one question and prints the answer. Arguments: proto folder, folder with
// node_modules, address, token, resident.
"use strict";

const { createRequire } = require("node:module");

const [protos, modules, address, token, resident] = process.argv.slice(2);
const from = createRequire(`${modules}/package.json`);
const grpc = from("@grpc/grpc-js");
const loader = from("@grpc/proto-loader");

const definition = loader.loadSync("weir/hub/v1/sharing.proto", {
  includeDirs: [protos],
  keepCase: true,
  enums: String,
  longs: String,
  defaults: true,
});
const { weir } = grpc.loadPackageDefinition(definition);
const hub = new weir.hub.v1.SharingService(address, grpc.credentials.createInsecure());

const question = {
  residents: [resident],
  holders: ["agencies/oakdale-gp"],
  purpose: "direct_care",
  fields: ["health/summary.allergies"],
  reason: "Ward round this morning",
  case_reference: "W-1",
};

function who(...tokens) {
  const metadata = new grpc.Metadata();
  for (const one of tokens) metadata.add("authorization", `Bearer ${one}`);
  return metadata;
}

function ask(request, metadata) {
  return new Promise((answered, refused) => {
    const options = { deadline: Date.now() + 10_000 };
    hub.RequestRecords(request, metadata, options, (error, reply) => (error ? refused(error) : answered(reply)));
  });
}

async function expectRefused(what, request, metadata) {
  try {
    await ask(request, metadata);
    console.log(what, "ANSWERED");
  } catch (error) {
    console.log(what, grpc.status[error.code]);
  }
}

async function main() {
  const [answer] = (await ask(question, who(token))).answers;
  console.log("outcome", answer.decision.outcome);
  console.log("fields", answer.values.map((value) => value.field).join(","));
  console.log("receipt", answer.receipt.name.startsWith("disclosures/"), answer.receipt.root_hash.length);
  await expectRefused("without", question, who());
  await expectRefused("forged", question, who("a.b.c"));
  await expectRefused("purposeless", { ...question, purpose: "" }, who(token));
  hub.close();
}

main();
