// Milliseconds from a reader's act to the finished layout.
const times = {};
const time = (name, act) => { const from = performance.now(); act(); document.body.offsetHeight; times[name] = performance.now() - from; };
time('sort', () => document.querySelector("[data-sort='task:task-02']").click());
time('filter', () => { const view = document.getElementById('f-view'); view.value = 'task-task-01'; view.dispatchEvent(new Event('change')); });
time('reset', () => document.getElementById('reset').click());
return times;
