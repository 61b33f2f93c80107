;; Is no module.
(modul)
