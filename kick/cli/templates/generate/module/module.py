from kick import Module

{{ Title }}Module = Module("{{ path }}", controllers=[])
