//! A page and its reader: what is clicked, typed, seen and waited for.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use crate::driver::{Driver, Element, Fault};
use crate::script;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The ways in which a page is read, where a test looks at the same thing in each: with scripts, on a phone, without scripts.
pub(crate) const WAYS: [(Device, bool); 3] = [(Device::Desktop, true), (Device::Phone, true), (Device::Desktop, false)];

/// What the page is read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    /// A wide screen with a mouse.
    Desktop,
    /// A narrow one.
    Phone,
}

impl Device {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Desktop, Self::Phone];

    /// Its name in a file's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Phone => "phone",
        }
    }

    fn size(self) -> (u32, u32) {
        match self {
            Self::Desktop => (1280, 800),
            Self::Phone => (390, 844),
        }
    }
}

/// A browser that shows pages of one service.
pub(crate) struct Page {
    driver: Driver,
    base: String,
    scripts: bool,
    media: Vec<(&'static str, &'static str)>,
}

impl Page {
    /// A browser with nothing special about it: a desktop, scripts on, light.
    pub(crate) fn new(base: &str) -> Self {
        let page = Self { driver: Driver::start(), base: base.to_owned(), scripts: true, media: Vec::new() };
        page.driver.devtools("Page.enable", json!({}));
        page.driver.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": script::WATCH}));
        page.on(Device::Desktop)
    }

    /// A browser that runs no scripts.
    pub(crate) fn without_scripts(base: &str) -> Self {
        let mut page = Self::new(base);
        page.scripts = false;
        page.driver.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true}));
        page
    }

    /// With scripts or without.
    pub(crate) fn with_scripts(base: &str, scripts: bool) -> Self {
        if scripts { Self::new(base) } else { Self::without_scripts(base) }
    }

    /// Reads on this device from now on.
    pub(crate) fn on(self, device: Device) -> Self {
        self.be_on(device);
        self
    }

    /// Reads on this device from now on.
    pub(crate) fn be_on(&self, device: Device) {
        let (width, height) = device.size();
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": device == Device::Phone,
        });
        self.driver.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Sets a preference of the reader, such as `prefers-color-scheme`.
    pub(crate) fn prefer(&mut self, feature: &'static str, value: &'static str) {
        self.media.retain(|(known, _)| *known != feature);
        self.media.push((feature, value));
        let features: Vec<Value> =
            self.media.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.driver.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Puts the reader into a time zone, from the next page on.
    pub(crate) fn be_in(&self, zone: &str) {
        self.driver.devtools("Emulation.setTimezoneOverride", json!({"timezoneId": zone}));
    }

    /// Cuts the connection, or mends it.
    pub(crate) fn offline(&self, offline: bool) {
        self.driver.devtools("Network.enable", json!({}));
        self.driver.devtools(
            "Network.emulateNetworkConditions",
            json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}),
        );
    }

    /// The protocol beneath.
    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Opens a page of the service.
    pub(crate) fn open(&self, path: &str) -> &Self {
        self.driver.open(&format!("{}{path}", self.base));
        self
    }

    /// Loads the page again.
    pub(crate) fn reload(&self) {
        self.driver.go("refresh");
    }

    /// Goes back one page.
    pub(crate) fn back(&self) {
        self.driver.go("back");
    }

    /// The value of an expression.
    pub(crate) fn value(&self, expression: &str) -> Value {
        self.driver
            .run(&format!("return ({expression});"), json!([]))
            .unwrap_or_else(|fault| panic!("{expression}: {fault:?}"))
    }

    /// The value of a promise, by the body of an async function.
    pub(crate) fn promise(&self, script: &str, args: Value) -> Value {
        let value = self.driver.run_async(script, args).unwrap_or_else(|fault| panic!("{script}: {fault:?}"));
        assert!(value["thrown"].is_null(), "{script}: {}", value["thrown"]);
        value
    }

    /// A number that an expression gives.
    pub(crate) fn number(&self, expression: &str) -> f64 {
        self.value(expression).as_f64().unwrap_or_else(|| panic!("{expression} is no number"))
    }

    /// A text that an expression gives.
    pub(crate) fn text(&self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is no text: {value}")).to_owned()
    }

    /// What is read in the part that a selector gives.
    pub(crate) fn read(&self, selector: &str) -> String {
        self.text(&format!("document.querySelector({})?.innerText ?? ''", json!(selector)))
    }

    /// The address, from the path on.
    pub(crate) fn address(&self) -> String {
        self.text("location.pathname + location.search")
    }

    /// Waits until an expression is true in whatever page is shown by then; gives its value.
    ///
    /// The page itself waits, frame by frame. Where it runs no scripts, and whenever it gave way to another page
    /// meanwhile, it is asked again.
    pub(crate) fn until(&self, condition: &str) -> Value {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let left = (PATIENCE - begun.elapsed()).as_millis();
            let asked = match self.scripts {
                true => self.driver.run_async(&script::until(condition), json!([left])),
                false => {
                    self.driver.run(&format!("try {{ return ({condition}); }} catch {{ return null; }}"), json!([]))
                }
            };
            match asked {
                Ok(value) if is_true(&value) && value["thrown"].is_null() => return value,
                Ok(_) => {}
                Err(fault) if fault.kind == "no such window" => panic!("{fault:?}"),
                Err(_) => {}
            }
        }
        panic!("it did not come to pass: {condition}\n\nat {} the page says:\n{}", self.address(), self.read("body"));
    }

    /// Waits until the page says this anywhere.
    pub(crate) fn until_it_says(&self, words: &str) {
        self.until(&format!("document.body.innerText.replace(/\\s+/g, ' ').includes({})", json!(words)));
    }

    /// Waits until the part that a selector gives says this.
    pub(crate) fn until_says(&self, selector: &str, words: &str) {
        self.until(&format!(
            "document.querySelector({}).innerText.replace(/\\s+/g, ' ').includes({})",
            json!(selector),
            json!(words)
        ));
    }

    /// Waits for the page at this path.
    pub(crate) fn until_at(&self, path: &str) {
        self.until(&format!("location.pathname === {} && document.readyState === 'complete'", json!(path)));
    }

    /// Waits until what the service tells arrives by itself.
    pub(crate) fn until_live(&self) {
        self.until("document.getElementById('link').dataset.state === 'live'");
    }

    /// Clicks what is called by these words.
    pub(crate) fn click(&self, words: &str) -> &Self {
        self.click_in("", words)
    }

    /// Clicks what is called by these words within a part of the page.
    pub(crate) fn click_in(&self, within: &str, words: &str) -> &Self {
        self.on_element(script::CALLED, json!([words, within]), Driver::click);
        self
    }

    /// Clicks what a selector gives.
    pub(crate) fn click_on(&self, selector: &str) -> &Self {
        self.on_element(script::SELECTED, json!([selector]), Driver::click);
        self
    }

    /// Whether there is something to click on that is called so.
    pub(crate) fn offers(&self, words: &str) -> bool {
        self.driver.element(script::CALLED, json!([words, ""])).unwrap().is_some()
    }

    /// Fills the field with this label: types into it, or picks what is there to pick.
    pub(crate) fn fill(&self, label: &str, text: &str) -> &Self {
        let set = format!(
            "const field = (function () {{ {} }})(arguments[0]);
             const value = arguments[1];
             if (!field || !(field.matches('select, [type=date], [type=datetime-local], [type=time]'))) return false;
             if (field.matches('select')) {{
                 const option = [...field.options].find((it) => it.text === value || it.value === value);
                 if (!option) throw new Error('there is no ' + value + ' to pick');
                 field.value = option.value;
             }} else field.value = value;
             field.dispatchEvent(new Event('input', {{ bubbles: true }}));
             field.dispatchEvent(new Event('change', {{ bubbles: true }}));
             return true;",
            script::LABELLED
        );
        if self.driver.run(&set, json!([label, text])).unwrap() != true {
            // To empty a field is to leave it, and a field that was left empty is told so: no reader does that on his way.
            let filled = !self.field(label).is_empty();
            self.on_element(script::LABELLED, json!([label]), |driver, element| {
                if filled {
                    driver.clear(element)?;
                }
                driver.type_into(element, text)
            });
        }
        self
    }

    /// Fills a list: a row for each item where the page has rows, else one item a line.
    pub(crate) fn fill_list(&self, label: &str, items: &[&str]) -> &Self {
        let add = format!("[aria-label='Add an item to {label}']");
        if self.value(&format!("document.querySelector({}) === null", json!(add))) == true {
            return self.fill(label, &items.join("\n"));
        }
        for item in items {
            self.click_on(&add).press(item);
        }
        self
    }

    /// Clicks the box with this label.
    pub(crate) fn tick(&self, label: &str) -> &Self {
        self.on_element(script::LABELLED, json!([label]), Driver::click);
        self
    }

    /// What stands in the field with this label.
    pub(crate) fn field(&self, label: &str) -> String {
        let script = format!(
            "const field = (function () {{ {} }})({}); return field.type === 'checkbox' ? String(field.checked) : field.value;",
            script::LABELLED,
            json!(label)
        );
        self.driver.run(&script, json!([label])).unwrap().as_str().unwrap().to_owned()
    }

    /// Finds an element and does something with it, anew when the page has put another one in its place meanwhile.
    fn on_element(&self, find: &str, args: Value, act: impl Fn(&Driver, &Element) -> Result<(), Fault>) {
        let begun = Instant::now();
        let mut last = None;
        while begun.elapsed() < PATIENCE {
            match self.driver.element(find, args.clone()) {
                Ok(Some(element)) => match act(&self.driver, &element) {
                    Ok(()) => return,
                    Err(fault) => last = Some(fault),
                },
                Ok(None) => last = None,
                Err(fault) => last = Some(fault),
            }
        }
        panic!("there is no {args} that can be used: {last:?}\n\nat {}:\n{}", self.address(), self.read("body"));
    }

    /// Presses keys one after the other. Names of keys are those of `KEY`; everything else is text.
    pub(crate) fn press(&self, keys: &str) -> &Self {
        let presses: Vec<Value> = keys
            .chars()
            .flat_map(|key| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})])
            .collect();
        self.driver.act(json!([{"type": "key", "id": "keys", "actions": presses}]));
        self
    }

    /// Presses a key while another is held.
    pub(crate) fn press_with(&self, held: char, key: char) -> &Self {
        let actions = [("keyDown", held), ("keyDown", key), ("keyUp", key), ("keyUp", held)];
        let actions: Vec<Value> = actions.iter().map(|(kind, key)| json!({"type": kind, "value": key})).collect();
        self.driver.act(json!([{"type": "key", "id": "keys", "actions": actions}]));
        self
    }

    /// What has the focus, as a reader would name it.
    pub(crate) fn focused(&self) -> String {
        self.text(
            "(() => { const it = document.activeElement; const label = it.labels?.[0]?.innerText || it.getAttribute('aria-label') \
             || it.innerText || it.id; return (label || it.nodeName).replace(/\\s+/g, ' ').replace(/ \\*$/, '').trim(); })()",
        )
    }

    /// What was felt since the page was opened: see `script::WATCH`.
    pub(crate) fn felt(&self, what: &str) -> Vec<Value> {
        self.value(&format!("window.__felt.{what}")).as_array().unwrap().clone()
    }

    /// Fails if the page's own scripts failed, or if it moved: by more than some new rows of a list, or a message that comes
    /// for a moment, which is 0.05 by the browsers' measure. They call 0.1 good. What loads without any change must not move at
    /// all: see `pages`; nor anything but rows while thousands of them come: see `flood`.
    pub(crate) fn is_calm(&self) {
        // Two frames, so that what was drawn last is counted.
        self.promise(
            "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));",
            json!([]),
        );
        let shifts = self.felt("shifts");
        let moved: f64 = shifts.iter().filter_map(|it| it["value"].as_f64()).sum();
        assert!(moved < 0.05, "layout shifts of {moved} at {}: {shifts:#?}", self.address());
        let none: Vec<Value> = Vec::new();
        assert_eq!(self.felt("errors"), none, "errors at {}", self.address());
    }

    /// A picture of what is seen, or of the whole page.
    pub(crate) fn picture(&self, whole: bool) -> Vec<u8> {
        let mut parameters = json!({"format": "png", "captureBeyondViewport": whole});
        if whole {
            let metrics = self.driver.devtools("Page.getLayoutMetrics", json!({}));
            let size = &metrics["cssContentSize"];
            parameters["clip"] = json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1});
        }
        let picture = self.driver.devtools("Page.captureScreenshot", parameters);
        base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// Keeps a picture in a file.
    pub(crate) fn photograph(&self, file: &Path, whole: bool) {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, self.picture(whole)).unwrap();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("test").replace("::", "-");
            let file = folder().join("failed").join(format!("{name}.png"));
            // The browser itself may be what failed.
            let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.photograph(&file, false)));
            if kept.is_ok() {
                eprintln!("what it saw last is in {}", file.display());
            }
        }
    }
}

/// Where pictures go.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("browser")
}

fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && *value != json!(0) && *value != json!("")
}

/// Keys, as WebDriver writes them.
pub(crate) mod key {
    /// To the next thing.
    pub(crate) const TAB: char = '\u{e004}';
    /// Sends, follows, presses.
    pub(crate) const ENTER: char = '\u{e007}';
    /// Presses, ticks.
    pub(crate) const SPACE: char = ' ';
    /// Closes.
    pub(crate) const ESCAPE: char = '\u{e00c}';
    /// Held: the other way round.
    pub(crate) const SHIFT: char = '\u{e008}';
}
