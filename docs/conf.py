"""How the pages become a site: `make docs`. Nothing is fetched, by the build or by a reader."""

from importlib.metadata import version as installed

project = "cohortium"
release = version = installed("cohortium")
# With "en_GB" the search counts its results by a translation that has no plurals, and stops.
language = "en"

extensions = ["myst_nb", "sphinx_copybutton"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
# Notebooks are shown as they were committed; a test runs them.
nb_execution_mode = "off"
# The pages are read in the repository as well: anchors are those that GitHub gives to headings.
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "cohortium"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
# An excerpt beside a search result would be fetched: not possible from a file.
html_show_search_summary = False

# What is copied from a block of commands: the commands, without prompts and what was printed.
copybutton_prompt_text = r"[a-z]*\$ "
copybutton_prompt_is_regexp = True
