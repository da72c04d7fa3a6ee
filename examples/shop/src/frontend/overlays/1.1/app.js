
// 1.1: what sells best, from the field `sold` that the API has since 1.1
function popular(products) {
  const sold = products.filter((product) => product.sold > 0).sort((a, b) => b.sold - a.sold);
  $('popular').hidden = sold.length === 0;
  $('popular').querySelector('ol').replaceChildren(...sold.slice(0, 3).map((product) => {
    const place = document.createElement('li');
    const svg = $('card').content.querySelector('svg').cloneNode(true);
    const text = document.createElement('div');
    const name = document.createElement('b');
    const count = document.createElement('span');
    picture(svg, product.slug);
    name.textContent = product.name;
    count.textContent = `${number.format(product.sold)} sold`;
    text.append(name, count);
    place.append(svg, text);
    return place;
  }));
}

shop.listeners.push(popular);
setInterval(loadProducts, 5000);
