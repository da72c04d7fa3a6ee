'use strict';

const $ = (id) => document.getElementById(id);
const pictures = document.body.dataset.pictures;
const number = new Intl.NumberFormat('en');
const money = new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' });
const shop = { products: [], listeners: [] };  // what a later version builds on: shop.listeners.push((products) => ...)

function picture(svg, slug) {
  svg.firstElementChild.setAttribute('href', pictures + '#' + slug);
}

function say(text) {
  const toast = $('toast');
  toast.textContent = text;
  toast.classList.add('shown');
  clearTimeout(say.timer);
  say.timer = setTimeout(() => toast.classList.remove('shown'), 2600);
}

function showVersion(version) {
  const place = $('backend-version');
  if (!version || place.textContent === version) return;
  if (place.textContent !== '...') {
    place.parentElement.classList.remove('changed');
    void place.offsetWidth;  // restarts the animation
    place.parentElement.classList.add('changed');
    loadProducts();
    lookForNewerPage();
  }
  place.textContent = version;
}

function key() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function order(product, button) {
  button.disabled = true;
  try {
    const answer = await fetch('/api/orders', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key() },
      body: JSON.stringify({ product: product.id, quantity: 1 }),
    });
    const body = await answer.json();
    say(answer.ok ? `${product.name}: order ${number.format(body.order)} is on its way` : `Not ordered: ${body.error}`);
  } catch (error) {
    say('Not ordered: the shop cannot be reached');
  }
  button.disabled = false;
}

function card(product) {
  const element = $('card').content.cloneNode(true).firstElementChild;
  picture(element.querySelector('.picture'), product.slug);
  element.querySelector('h3').textContent = product.name;
  element.querySelector('.about').textContent = product.about;
  element.querySelector('.price').textContent = money.format(product.price_cents / 100);
  const button = element.querySelector('button');
  button.addEventListener('click', () => order(product, button));
  return element;
}

async function loadProducts() {
  try {
    const answer = await fetch('/api/products');
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error);
    shop.products = body.items;
    $('products').replaceChildren(...body.items.map(card));
    shop.listeners.forEach((listener) => listener(body.items));
    showVersion(body.version);
  } catch (error) {
    if (shop.products.length) return;
    const problem = document.createElement('p');
    problem.className = 'problem';
    problem.textContent = `The shelves cannot be shown just now. ${error.message}`;
    $('products').replaceChildren(problem);
  }
}

async function lookForNewerPage() {
  const answer = await fetch('/version', { cache: 'no-store' });
  const version = answer.headers.get('X-Version');
  $('newer').hidden = !answer.ok || !version || version === document.documentElement.dataset.version;
}

function live(on, text) {
  $('live').dataset.state = on ? 'on' : 'off';
  $('live').lastElementChild.textContent = text;
}

function follow() {
  const stream = new EventSource('/api/events');
  stream.addEventListener('stats', (event) => {
    const stats = JSON.parse(event.data);
    live(true, 'live');
    showVersion(stats.version);
    if (stats.orders === undefined) return;
    $('orders').textContent = number.format(stats.orders);
    $('packed').textContent = number.format(stats.jobs_done);
    $('waiting').textContent = number.format(stats.jobs_open);
  });
  stream.addEventListener('bye', () => {  // this side is being retired: go to whichever is live, now
    stream.close();
    follow();
  });
  stream.addEventListener('error', () => {
    live(false, 'reconnecting');
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 1000);
  });
}

loadProducts();
follow();
