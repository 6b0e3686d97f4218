// Plays one scenario against a server: node play.mjs SCENARIO URL
// Ends with status 0, or prints what went wrong.

import { logger } from "matrix-js-sdk/lib/logger.js";

import * as people from "./people.mjs";

logger.setLevel("error");

const [, , name, url] = process.argv;
const { default: scenario } = await import(`./scenarios/${name}.mjs`);
try {
    await scenario(people.at(url));
    await people.leave();
    process.exit(0);
} catch (error) {
    console.error(error);
    process.exit(1);
}
