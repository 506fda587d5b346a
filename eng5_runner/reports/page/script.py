"""The page's only script: sorting, filtering and searching. Without it the page is whole, and has no dead buttons."""

SCRIPT = """
(function () {
  "use strict";
  function make(tag, text) {
    var made = document.createElement(tag);
    if (text) { made.textContent = text; }
    return made;
  }
  function value(cell) {
    var text = cell.getAttribute("data-order") || cell.textContent.trim();
    var figure = parseFloat(text.replace(/,/g, ""));
    return /^[+-]?[0-9]/.test(text) && !isNaN(figure) ? figure : text;
  }
  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") { return a - b; }
    if (typeof a === "number") { return -1; }
    if (typeof b === "number") { return 1; }
    return a.localeCompare(b, undefined, { numeric: true });
  }
  function sortable(table) {
    var body = table.tBodies[0], heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      var button = make("button", head.textContent);
      button.type = "button";
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        Array.from(body.rows)
          .map(function (row) { return [value(row.cells[column]), row]; })
          .sort(function (one, two) { return (down ? -1 : 1) * compare(one[0], two[0]); })
          .forEach(function (pair) { body.appendChild(pair[1]); });
      });
    });
  }
  function chooser(table, column) {
    var select = make("select"), name = table.tHead.rows[0].cells[column].textContent;
    var values = Array.from(new Set(Array.from(table.tBodies[0].rows, function (row) {
      return row.cells[column].textContent.trim();
    }))).sort();
    select.setAttribute("aria-label", "only with this " + name);
    select.appendChild(new Option("every " + name, ""));
    values.forEach(function (text) { select.appendChild(new Option(text, text)); });
    return select;
  }
  function searchable(list) {
    var table = list.tHead ? list : null, bar = make("div"), search = make("input"), count = make("output");
    var rows = Array.from(table ? table.tBodies[0].rows : list.children), selects = [];
    var words = rows.map(function (row) {
      return (table ? row : row.querySelector("summary")).textContent.toLowerCase();
    });
    bar.className = "tools";
    search.type = "search";
    search.placeholder = "search";
    search.setAttribute("aria-label", "search in " + list.getAttribute("data-search"));
    bar.appendChild(search);
    if (table) {
      Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
        if (head.hasAttribute("data-filter")) { selects.push([column, chooser(table, column)]); }
      });
    }
    selects.forEach(function (pair) { bar.appendChild(pair[1]); });
    count.setAttribute("aria-live", "polite");
    bar.appendChild(count);
    function show() {
      var wanted = search.value.toLowerCase().split(/\\s+/), shown = 0;
      rows.forEach(function (row, number) {
        var fits = wanted.every(function (word) { return words[number].indexOf(word) >= 0; }) &&
          selects.every(function (pair) {
            return !pair[1].value || row.cells[pair[0]].textContent.trim() === pair[1].value;
          });
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      count.textContent = shown === rows.length ? "" : shown + " of " + rows.length;
    }
    bar.addEventListener("input", show);
    (table ? table.parentNode : list).before(bar);
  }
  function open() {
    var target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var at = target; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") { at.open = true; at.hidden = false; }
    }
    if (target) { target.scrollIntoView(); }
  }
  document.querySelectorAll("[data-search]").forEach(searchable);
  document.querySelectorAll("table.sortable").forEach(sortable);
  addEventListener("hashchange", open);
  open();
})();
"""
