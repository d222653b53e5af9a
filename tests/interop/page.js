// Looks at the status page in Debian's Chromium, and says line by line what it saw; each line read by the test is the sign to go on.
//
// Usage: page.js URL DIRECTORY
'use strict';

const { chromium } = require('playwright-core');
const path = require('path');

const [url, directory] = process.argv.slice(2);
// This machine's network is closed: what a browser asks for by itself is not to be tried.
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const PATIENCE = { timeout: 20000 };
const complaints = [];

setTimeout(() => {
  console.error(`nothing more was seen; complaints: ${complaints.join('; ')}`);
  process.exit(1);
}, 90000).unref();

async function open(browser, options, address = url) {
  const page = await browser.newPage(options);
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(address);
  return page;
}

const row = (carrier) => `#carriers tr[data-name=${JSON.stringify(carrier)}]`;
const text = async (page, selector) => (await page.locator(selector).first().innerText()).replace(/\s+/g, ' ');

async function picture(page, name) {
  await page.screenshot({ path: path.join(directory, `${name}.png`), fullPage: true });
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  if (wide > screen) complaints.push(`${name}: ${wide} wide on a screen of ${screen}`);
}

async function go() {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: QUIET });
  const page = await open(browser, { viewport: { width: 1400, height: 900 }, colorScheme: 'dark' });

  // The numbers move.
  const submits = `${row('north')} td[data-name="Submits/s"]`;
  await page.waitForFunction((cell) => parseFloat(document.querySelector(cell)?.textContent) > 10, submits, PATIENCE);
  const first = [await text(page, `${row('north')} td[data-name="Receipts/s"]`), await text(page, '#live')];
  await page.waitForFunction(([cell, live, [receipts, at]]) =>
    document.querySelector(cell).innerText !== receipts && document.querySelector(live).innerText !== at,
  [`${row('north')} td[data-name="Receipts/s"]`, '#live', first], PATIENCE);
  console.log(`moving ${await text(page, submits)}`);
  await picture(page, 'dark');

  // Whoever comes later has the plots from before.
  const later = await open(browser, { viewport: { width: 1400, height: 900 }, colorScheme: 'light' });
  await later.waitForFunction(() => document.querySelector('#plots path:not(.area)')?.getAttribute('d')?.split('L').length > 2, null, PATIENCE);
  await picture(later, 'light');
  await later.close();

  // What is called like markup is text.
  if (await page.locator('#carriers b.markup').count()) complaints.push('a name became markup');
  console.log(`named ${await text(page, `${row('<b class="markup">')} th`)}`);

  // A carrier that stops turns red, and is named among what needs attention.
  console.log('stop it');
  await page.waitForSelector(`${row('south')}.bad`, PATIENCE);
  const attention = await text(page, '#attention li.bad');
  const background = await page.locator(`${row('south')} th`).evaluate((cell) => getComputedStyle(cell).backgroundColor);
  console.log(`red ${background} ${attention}`);
  await picture(page, 'stopped');
  const phone = await open(browser, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' });
  await phone.waitForSelector(`${row('south')}.bad`, PATIENCE);
  await picture(phone, 'phone');
  await phone.close();
  // From here on requests fail, and the browser says so by itself.
  console.log(`complaints ${JSON.stringify(complaints)}`);

  // Of a gateway that is gone the last is shown, and that it is gone.
  console.log('end it');
  await page.waitForSelector('#lost:not([hidden])', PATIENCE);
  console.log(`lost ${await text(page, '#lost')}`);
  await browser.close();
}

async function door() {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: QUIET });
  const page = await open(browser, {});
  for (const token of ['wrong', 'right']) {
    await page.waitForSelector('#door:not([hidden])', PATIENCE);
    if (await page.locator('#main').isVisible()) throw new Error('something is shown');
    await page.fill('#token', token);
    await page.click('#door button');
    if (token === 'wrong') await page.waitForFunction(() => document.querySelector('#wrong').textContent, null, PATIENCE);
  }
  await page.waitForSelector('#shards tr[data-name="1"].ok', PATIENCE);
  await page.reload();
  await page.waitForSelector('#shards tr[data-name="1"].ok', PATIENCE);
  console.log('let in');
  await browser.close();
}

const journey = process.argv[4] === 'door' ? door : go;
journey().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
