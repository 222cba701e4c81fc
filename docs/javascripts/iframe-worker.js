/* Search in pages that are opened as files: browsers start no worker for them, so a hidden frame does its work.
   The theme's offline plugin would load such a script from another host; this one needs no network. */
"use strict";
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.title = "search";
      this.ready = new Promise((resolve, reject) => {
        this.frame.addEventListener("load", () => {
          const inside = this.frame.contentWindow;
          const load = (each) => new Promise((loaded, failed) => {
            const script = inside.document.createElement("script");
            script.src = each;
            script.onload = () => loaded(inside);
            script.onerror = failed;
            inside.document.body.appendChild(script);
          });
          inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          inside.importScripts = (...urls) => urls.reduce((before, each) => before.then(() => load(each)), Promise.resolve());
          load(url).then(resolve, reject);
        }, { once: true });
      });
      document.body.appendChild(this.frame);
    }

    postMessage(data) {
      this.ready.then((inside) => inside.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
