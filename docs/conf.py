"""Sphinx: the pages that are written by hand, and those that `_extensions` makes from the walk of the package."""

import sys
from pathlib import Path

from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extensions")]

from refengine import __version__  # noqa: E402

project = "refengine"
author = copyright = "The refengine developers"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinxcontrib.bibtex",
    "offline_math",
    "walk_pages",
    "figures",
    "densities",
    "loss_figures",
    "attention_figures",
    "sampler_figures",
    "alternatives",
    "presets_table",
]
exclude_patterns = ["_build", "_generated", "_extensions"]
nitpicky = True
default_role = "py:obj"  # `name` in a docstring; walk_pages says what happens to names without a page

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
maximum_signature_line_length = 100


class Keys(BaseLabelStyle):
    """Entries under the keys by which golden files and definitions name their sources."""

    def format_labels(self, sorted_entries):
        return [entry.key for entry in sorted_entries]


class ByKey(Style):
    default_label_style = Keys


register_plugin("pybtex.style.formatting", "by_key", ByKey)
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "by_key"
bibtex_reference_style = "author_year"

html_theme = "furo"
html_title = f"refengine {release}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7fb8dd", "color-brand-content": "#7fb8dd"},
}
pygments_style = "friendly"
pygments_dark_style = "monokai"
