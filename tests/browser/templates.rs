//! The templates.

use crate::fixtures;
use crate::page::Page;

#[test]
#[ignore = "needs a browser"]
fn the_list_shows_what_there_is_and_what_is_broken() {
    for scripts in [true, false] {
        let app = fixtures::start();
        let page = Page::with_scripts(&app.url, scripts);
        page.open("/templates");
        for words in ["Every kind", "One parameter of each kind.", "broken"] {
            page.until_it_says(words);
        }
        page.open("/templates/broken");
        page.until_it_says("The file of this template is broken");
        assert!(
            page.read("main").contains("broken.yaml:3:1"),
            "the place of the fault is shown: {}",
            page.read("main")
        );
        assert!(!page.offers("Launch"), "there is nothing to launch");
    }
}
