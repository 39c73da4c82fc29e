// Holds an OpenAPI document to the schema of OpenAPI 3.1, and its examples to their own schemas (JSON Schema 2020-12).
import { readFile } from "node:fs/promises";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const document = JSON.parse(await readFile(process.argv[2], "utf8"));
const faults = [];

const result = await new Validator().validate(structuredClone(document));
faults.push(...(result.valid ? [] : [result.errors].flat().map((error) => JSON.stringify(error))));

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
// What JSON Schema does not know, and numbers, which JavaScript has of one kind.
for (const format of ["cidr", "int32", "int64"]) ajv.addFormat(format, true);
ajv.addSchema(document, "openapi");

let examples = 0;
const visit = (value, pointer) => {
  if (value === null || typeof value !== "object") return;
  if (value.schema && value.examples) {
    for (const [name, example] of Object.entries(value.examples)) {
      examples += 1;
      const holds = ajv.getSchema(`openapi#${pointer}/schema`);
      if (!holds(example.value)) faults.push(`${pointer}/examples/${name}: ${ajv.errorsText(holds.errors)}`);
    }
  }
  for (const [key, inner] of Object.entries(value)) {
    visit(inner, `${pointer}/${encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1"))}`);
  }
};
visit({ paths: document.paths, components: document.components }, "");

for (const fault of faults) console.error(fault);
console.log(`${examples} examples, ${faults.length} faults`);
process.exitCode = faults.length === 0 && examples > 0 ? 0 : 1;
