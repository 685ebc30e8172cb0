// Looks over the page on the screen for what keeps people from reading or reaching it, and gives a list
// of complaints. Evaluated by the tests; never part of the page.
(() => {
  const complaints = [];
  const top = [...document.querySelectorAll('dialog[open]')].pop() ?? document.body;
  const say = (what, node) => complaints.push(`${what}: ${node.outerHTML.slice(0, 140)}`);
  const seen = node => node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !node.closest('.unseen, [hidden]');

  // Colours, by letting the browser resolve whatever the style sheet says.
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const colour = text => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (front, back) => front.slice(0, 3).map((part, i) => part * front[3] + back[i] * (1 - front[3])).concat(1);
  const behind = node => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const one = colour(getComputedStyle(at).backgroundColor);
      layers.push(one);
      if (one[3] === 1) break;
    }
    return layers.reverse().reduce((back, front) => over(front, back), colour('Canvas'));
  };
  const light = ([r, g, b]) => [r, g, b].map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };

  const walker = document.createTreeWalker(top, NodeFilter.SHOW_TEXT);
  const judged = new Set();
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || judged.has(node) || !seen(node) || node.closest(':disabled')) continue;
    judged.add(node);
    const style = getComputedStyle(node);
    const back = behind(node);
    const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700;
    const is = contrast(over(colour(style.color), back), back);
    if (is < (large ? 3 : 4.5)) say(`contrast ${is.toFixed(2)}`, node);
    if (parseFloat(style.fontSize) < 11) say(`letters of ${style.fontSize}`, node);
  }

  const controls = [...top.querySelectorAll('button, input:not([type=hidden]), textarea, select, a[href], [tabindex]')].filter(seen);
  for (const node of controls) {
    if (node.tabIndex > 0) say('an order of its own', node);
    const box = node.getBoundingClientRect();
    const inline = getComputedStyle(node).display === 'inline';
    if (!inline && !node.disabled && (box.width < 20 || box.height < 20)) say(`a target of ${Math.round(box.width)} by ${Math.round(box.height)}`, node);
    if (node.matches('input, textarea') && !node.matches('[type=checkbox], [type=radio]')) {
      const style = getComputedStyle(node);
      if (contrast(colour(style.borderTopColor), behind(node.parentElement)) < 3) say('an edge that is hard to see', node);
    }
  }

  const ids = [...document.querySelectorAll('[id]')].map(node => node.id);
  for (const id of ids) if (ids.filter(other => other === id).length > 1) complaints.push(`the id ${id} stands twice`);
  for (const name of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'aria-activedescendant', 'for']) {
    for (const node of document.querySelectorAll(`[${name}]`)) {
      for (const id of node.getAttribute(name).split(' ')) if (!document.getElementById(id)) say(`${name} leads nowhere`, node);
    }
  }
  if (!document.documentElement.lang) complaints.push('no language');
  if (!document.title) complaints.push('no title');
  if (document.querySelectorAll('main').length !== 1) complaints.push('not exactly one main part');
  const outline = [...document.querySelectorAll('h1, h2, h3, h4')].filter(seen).filter(node => top.contains(node));
  outline.reduce((before, node) => {
    const level = Number(node.tagName[1]);
    if (before && level > before + 1) say('a heading that skips a level', node);
    return level;
  }, 0);
  if (/user-scalable=no|maximum-scale/.test(document.querySelector('meta[name=viewport]')?.content ?? '')) complaints.push('letters cannot be made larger');
  if (document.documentElement.scrollWidth > innerWidth) complaints.push(`wider than the window: ${document.documentElement.scrollWidth} of ${innerWidth}`);
  return complaints;
})()
