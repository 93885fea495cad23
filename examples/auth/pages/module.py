from kick import Module

from .controller import PageController

pages_module = Module("pages", controllers=[PageController])
