// Prints the milliseconds of processor time that one password takes to verify with @node-rs/argon2, at the bench's cost.

import { hashSync, verifySync } from '@node-rs/argon2';

const TIMES = 15;
const stored = hashSync('correct horse battery', { memoryCost: 19_456, timeCost: 2, parallelism: 1 });
verifySync(stored, 'correct horse battery');
const began = process.cpuUsage();
for (let time = 0; time < TIMES; time += 1) verifySync(stored, 'correct horse battery');
const { user, system } = process.cpuUsage(began);
console.log((user + system) / TIMES / 1000);
