from kick import Module

from {{ prefix }}{{ name }}.controller import {{ Title }}Controller

{{ Title }}Module = Module("{{ path }}", controllers=[{{ Title }}Controller])
