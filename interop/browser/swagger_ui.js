// Swagger UI, as a person uses it, and what the docs page may complain of meanwhile.

import assert from 'node:assert/strict';

const REFUSED = /^error: Failed to load resource: the server responded with a status of 40[013] /;

/** Swagger UI, as a person uses it. */
export class SwaggerUi {
  constructor(page, { username, password }) {
    Object.assign(this, { page, username, password });
    this.authorizeButton = page.locator('.scheme-container .btn.authorize');
    this.dialog = page.locator('.modal-ux');
    this.status = page.getByRole('status');
  }

  operation(method, path) {
    return this.page.locator(`.opblock-${method}`).filter({ has: this.page.locator(`[data-path="${path}"]`) });
  }

  padlock(method, path) {
    return this.operation(method, path).locator('.authorization__btn');
  }

  scope(name) {
    return this.dialog.locator(`input[id^="${name}-password-checkbox"]`);
  }

  async tick(...scopes) {
    for (const scope of scopes) await this.dialog.locator(`label[for^="${scope}-password-checkbox"]`).click();
  }

  /** The scopes that the open dialog offers, and those of them that are ticked. */
  async ticks() {
    await this.page.getByLabel('username:').waitFor();
    const boxes = this.dialog.locator('.scopes input[type=checkbox]');
    const all = await boxes.evaluateAll((inputs) => inputs.map(({ dataset, checked }) => [dataset.value, checked]));
    all.sort();
    return { offered: all.map(([name]) => name), ticked: all.filter(([, checked]) => checked).map(([name]) => name) };
  }

  /** In the open dialog. */
  async logInHere() {
    await this.page.getByLabel('username:').fill(this.username);
    await this.page.getByLabel('password:', { exact: true }).fill(this.password);
    await this.dialog.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click();
    await this.dialog.getByText('Authorized', { exact: true }).waitFor();
    await this.close();
  }

  async logIn(...scopes) {
    await this.authorizeButton.click();
    await this.tick(...scopes);
    await this.logInHere();
  }

  async logOut() {
    await this.authorizeButton.click();
    await this.dialog.getByRole('button', { name: 'Remove authorization' }).click();
    await this.close();
  }

  close() {
    return this.dialog.locator('.btn-done').click();
  }

  async isLocked() {
    return / locked\b/.test(await this.authorizeButton.getAttribute('class'));
  }

  /** Presses *Execute*, after *Try it out* if need be; does not wait for an answer. */
  async execute(method, path) {
    const block = this.operation(method, path);
    const control = block.locator('.opblock-summary-control');
    if ((await control.getAttribute('aria-expanded')) === 'false') await control.click();
    const tryItOut = block.locator('.try-out__btn');
    if ((await tryItOut.innerText()) === 'Try it out') await tryItOut.click();
    await block.getByRole('button', { name: 'Execute', exact: true }).click();
  }

  /** The answer that came for *Try it out*, and the token that went with the call. */
  async tryOut(method, path) {
    const answered = this.page.waitForResponse((answer) => new URL(answer.url()).pathname.endsWith(path));
    await this.execute(method, path);
    const answer = await answered;
    await this.operation(method, path).locator('.live-responses-table tbody > tr.response').first().waitFor();
    return { status: answer.status(), authorization: await answer.request().headerValue('authorization') };
  }
}

/** Fails if the page complained of anything but so many refusals. */
export function assertCalm({ complaints }, refusals = 0) {
  assert.deepEqual(complaints.filter((complaint) => !REFUSED.test(complaint)), []);
  assert.equal(complaints.length, refusals);
}
